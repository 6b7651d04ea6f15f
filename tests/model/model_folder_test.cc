#include "model/model_folder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "model/stored_names.h"
#include "model_test_files.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;
using testing::same_bits;

class ModelFolder : public TemporaryFolder {
 protected:
  // Writes the weights again under other names, in `shards` files.
  template <class Rename>
  void rewrite(int shards, Rename rename) {
    const fs::path path = folder_ / "model.safetensors";
    {
      const SafetensorsFile file(path);
      std::vector<SafetensorsWriter> writers(static_cast<size_t>(shards));
      nlohmann::json map = nlohmann::json::object();
      size_t number = 0;
      const auto shard_name = [](size_t shard) {
        return fmt::format("model-{}.safetensors", shard);
      };
      for (const StoredTensor& tensor : file.tensors()) {
        const size_t shard = number++ % writers.size();
        writers[shard].add(rename(tensor.name), tensor.dtype, tensor.shape, tensor.data);
        map[rename(tensor.name)] = shard_name(shard);
      }
      for (size_t shard = 0; shard < writers.size(); ++shard)
        writers[shard].write(folder_ / shard_name(shard));
      write_file(
          folder_ / "model.safetensors.index.json",
          nlohmann::json{{"metadata", nlohmann::json::object()}, {"weight_map", map}}.dump());
    }
    fs::remove(path);
  }
  const Tokenizer tokenizer_ = Tokenizer::byte();
};

TEST_F(ModelFolder, EveryFamilyComesBackBitForBit) {
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    save_model(folder_, model, weights.data(), tokenizer_);
    const LoadedModel loaded = load_model(folder_);
    EXPECT_TRUE(same_bits(values_of(loaded.weights), values_of(weights)));
    ASSERT_TRUE(loaded.tokenizer.has_value());
    EXPECT_EQ(loaded.tokenizer->hash(), tokenizer_.hash());
    for (const char* name : {"config.json", "generation_config.json", "model.safetensors",
                             "tokenizer.json", "tokenizer_config.json"})
      EXPECT_TRUE(fs::exists(folder_ / name)) << name;
  }
}

// Files of Hugging Face, read and saved again, hold the same tensors to the last byte.
TEST_F(ModelFolder, TensorsOfOtherSoftwareAreSavedAsTheyWere) {
  for (const char* name : {"gpt2-tiny", "llama-tiny", "llama-tiny-tied"}) {
    const fs::path golden = fs::path(CLLM_GOLDEN_FOLDER) / name;
    const LoadedModel loaded = load_model(golden);
    save_model(folder_, *loaded.model, loaded.weights.data(), tokenizer_);
    const SafetensorsFile theirs(golden / "model.safetensors"), ours(folder_ / "model.safetensors");
    ASSERT_EQ(ours.tensors().size(), theirs.tensors().size()) << name;
    for (const StoredTensor& tensor : theirs.tensors()) {
      const StoredTensor* saved = ours.find(tensor.name);
      ASSERT_NE(saved, nullptr) << tensor.name;
      EXPECT_EQ(saved->shape, tensor.shape) << tensor.name;
      ASSERT_EQ(saved->bytes, tensor.bytes) << tensor.name;
      EXPECT_EQ(std::memcmp(saved->data, tensor.data, tensor.bytes), 0) << tensor.name;
    }
  }
}

TEST_F(ModelFolder, HubNamesWithoutPrefixAndShards) {
  const Transformer model(small_gpt2());
  const Arena weights = random_weights(model);
  save_model(folder_, model, weights.data(), tokenizer_);
  rewrite(3, [](std::string name) {
    return name.starts_with("transformer.") ? name.substr(12) : name;
  });
  EXPECT_TRUE(same_bits(values_of(load_model(folder_).weights), values_of(weights)));
}

// A record of two bytes stands for a matrix that is filled with their difference.
TEST_F(ModelFolder, RecordsStandForMatrices) {
  const MatrixDecoder decoder = [](const StoredTensor& record, int64_t rows, int64_t columns,
                                   std::span<float> values) {
    EXPECT_EQ(static_cast<int64_t>(values.size()), rows * columns);
    EXPECT_EQ(record.bytes, 2U);
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<float>(record.data[0]) - static_cast<float>(i);
  };
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    std::vector<float> expected = values_of(weights);
    MatrixRecords records;
    for (const StoredPiece& piece : stored_pieces(model)) {
      if (piece.columns == 1) continue;
      const auto first = static_cast<uint8_t>(7 + records.size());
      records[piece.name] = {first, 0};
      // Outputs by inputs, also where plain tensors are transposed.
      const int64_t offset = model.parameters().at(piece.parameter).offset;
      for (int64_t i = 0; i < piece.rows * piece.columns; ++i)
        expected[static_cast<size_t>(offset + piece.first_row * piece.columns + i)] =
            static_cast<float>(first) - static_cast<float>(i);
    }
    save_model(folder_, model, weights.data(), tokenizer_, records);
    EXPECT_TRUE(same_bits(values_of(load_model(folder_, decoder).weights), expected));
    EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_); }),
                HasSubstr(".crystal: is compressed"));
  }
}

TEST_F(ModelFolder, ARecordThatIsNotBytesIsRefused) {
  const Transformer model(small_own());
  save_model(folder_, model, random_weights(model).data(), tokenizer_);
  rewrite(1, [&](const std::string& name) {
    return name == "blocks.0.mlp.up.weight" ? name + std::string(kCodedSuffix) : name;
  });
  const MatrixDecoder decoder = [](const StoredTensor&, int64_t, int64_t, std::span<float>) {
    ADD_FAILURE() << "asked for";
  };
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_, decoder); }),
              HasSubstr("does not hold bytes"));
}

TEST_F(ModelFolder, AMissingTensorIsNamed) {
  const Transformer model(small_llama());
  save_model(folder_, model, random_weights(model).data(), tokenizer_);
  rewrite(1, [](const std::string& name) { return name == "model.norm.weight" ? "x" : name; });
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_); }),
              HasSubstr("model.norm.weight"));
}

TEST_F(ModelFolder, AnotherShapeIsNamed) {
  ModelConfig config = small_llama();
  const Transformer model(config, testing::test_codes(config));
  save_model(folder_, model, random_weights(model).data(), tokenizer_);
  config.mlp_width = 32;
  const Transformer other(config);
  Arena weights(other.parameters().arena_floats(), "a test");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_weights(folder_, other, weights.data()); }),
              HasSubstr("mlp"));
}

TEST_F(ModelFolder, DamageIsAnErrorOfTheFile) {
  const Transformer model(small_gpt2());
  save_model(folder_, model, random_weights(model).data(), tokenizer_);
  fs::resize_file(folder_ / "model.safetensors", 5000);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_); }),
              HasSubstr("model.safetensors"));
  write_file(folder_ / "config.json", "{ not json");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_); }), HasSubstr("config.json"));
  fs::remove(folder_ / "config.json");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_); }), HasSubstr("config.json"));
}

TEST_F(ModelFolder, ALargerTokenizerIsRefused) {
  ModelConfig config = small_gpt2();
  config.vocabulary_size = 200;
  const Transformer model(config, testing::test_codes(config));
  save_model(folder_, model, random_weights(model).data(), tokenizer_);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_); }),
              HasSubstr("the tokenizer has 257 tokens, the model 200"));
  fs::remove(folder_ / "tokenizer.json");
  fs::remove(folder_ / "vocab.json");
  EXPECT_FALSE(load_model(folder_).tokenizer.has_value());
}

// Codes of a composite embedding lie in the file of the weights.
class ModelCodes : public ModelFolder {
 protected:
  void SetUp() override {
    ModelFolder::SetUp();
    save_model(folder_, model_, random_weights(model_).data(), tokenizer_);
  }
  // Writes the file again with other codes.
  void replace(const std::vector<int32_t>& offsets, const std::vector<int32_t>& pieces,
               DType type = DType::kI32) {
    const fs::path path = folder_ / "model.safetensors", old = folder_ / "old.safetensors";
    fs::rename(path, old);
    const SafetensorsFile file(old);
    SafetensorsWriter writer;
    for (const StoredTensor& tensor : file.tensors())
      if (!tensor.name.starts_with("embedding.codes."))
        writer.add(tensor.name, tensor.dtype, tensor.shape, tensor.data);
    writer.add("embedding.codes.offsets", type, {std::ssize(offsets)}, offsets.data());
    if (!pieces.empty())
      writer.add("embedding.codes.pieces", type, {std::ssize(pieces)}, pieces.data());
    writer.write(path);
  }
  std::string refusal() {
    return error_of(ErrorKind::kData, [&] { load_model(folder_); });
  }
  std::vector<int32_t> offsets() const {
    return {model_.codes()->offsets().begin(), model_.codes()->offsets().end()};
  }
  std::vector<int32_t> pieces() const {
    return {model_.codes()->pieces().begin(), model_.codes()->pieces().end()};
  }

  const Transformer model_{small_composite(), testing::test_codes(small_composite())};
};

TEST_F(ModelCodes, ComeBackWithTheModel) {
  const LoadedModel loaded = load_model(folder_);
  ASSERT_NE(loaded.model->codes(), nullptr);
  EXPECT_EQ(*loaded.model->codes(), *model_.codes());
  EXPECT_EQ(load_model_codes(folder_, small_gpt2()), nullptr);
}

TEST_F(ModelCodes, DamagedOnesAreRefused) {
  replace(offsets(), pieces());
  EXPECT_EQ(*load_model(folder_).model->codes(), *model_.codes()) << "as they were";
  std::vector<int32_t> wrong = pieces();
  wrong.back() = 70;
  replace(offsets(), wrong);
  EXPECT_THAT(refusal(),
              HasSubstr("embedding.codes.pieces: a piece of token 256 is not one of 70"));
  wrong.back() = -1;
  replace(offsets(), wrong);
  EXPECT_THAT(refusal(), HasSubstr("token 256"));
  wrong = pieces();
  wrong.pop_back();
  replace(offsets(), wrong);
  EXPECT_THAT(refusal(), HasSubstr("offsets do not cover"));
  replace({0, 1}, {3});
  EXPECT_THAT(refusal(), HasSubstr("codes of 1 tokens, the model has 257"));
  replace(offsets(), {});
  EXPECT_THAT(refusal(), HasSubstr("embedding.codes.pieces"));
  replace(offsets(), pieces(), DType::kF32);
  EXPECT_THAT(refusal(), HasSubstr("is not a list of 32-bit integers"));
}

TEST_F(ModelCodes, WeightsOfOtherCodesAreRefused) {
  std::vector<int32_t> offsets = {0}, pieces;
  for (int32_t token = 0; token < 257; ++token) {
    pieces.push_back(token % 70);
    offsets.push_back(token + 1);
  }
  const Transformer other(small_composite(),
                          std::make_shared<const nn::CodeTable>(70, offsets, pieces));
  Arena weights(other.parameters().arena_floats(), "a test");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_weights(folder_, other, weights.data()); }),
              HasSubstr("other codes"));
}

// Every element of the arena is in exactly one piece, and comes back from it.
TEST(StoredNames, PiecesCoverTheArenaOnce) {
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    Arena back(weights.floats(), "a test");
    std::set<std::string> names;
    int64_t elements = 0;
    for (const StoredPiece& piece : stored_pieces(model)) {
      EXPECT_TRUE(names.insert(piece.name).second) << piece.name;
      int64_t product = 1;
      for (const int64_t extent : piece.shape)
        product *= extent;
      EXPECT_EQ(product, piece.rows * piece.columns) << piece.name;
      elements += product;
      std::vector<float> stored(static_cast<size_t>(product));
      // In slices of no even size: they must fit together.
      for (size_t first = 0, count = 0; first < stored.size(); first += count) {
        count = std::min<size_t>(37, stored.size() - first);
        copy_to_stored(model, piece, weights.data(), static_cast<int64_t>(first),
                       {stored.data() + first, count});
      }
      copy_from_stored(model, piece, stored.data(), back.data());
    }
    EXPECT_EQ(elements, model.parameters().count());
    EXPECT_TRUE(same_bits(values_of(back), values_of(weights)));
  }
}

TEST(StoredNames, LayoutsAreHuggingFaces) {
  const auto shapes = [](const ModelConfig& config) {
    std::map<std::string, std::vector<int64_t>> by_name;
    for (const StoredPiece& piece : stored_pieces(Transformer(config, testing::test_codes(config))))
      by_name[piece.name] = piece.shape;
    return by_name;
  };
  auto gpt2 = shapes(small_gpt2());
  EXPECT_EQ(gpt2["transformer.h.1.attn.c_attn.weight"], (std::vector<int64_t>{24, 72}));
  EXPECT_EQ(gpt2["transformer.h.1.mlp.c_proj.weight"], (std::vector<int64_t>{96, 24}));
  EXPECT_EQ(gpt2["transformer.wte.weight"], (std::vector<int64_t>{257, 24}));
  EXPECT_EQ(gpt2.count("lm_head.weight"), 0u) << "tied";
  auto llama = shapes(small_llama());
  EXPECT_EQ(llama["model.layers.0.self_attn.q_proj.weight"], (std::vector<int64_t>{40, 24}));
  EXPECT_EQ(llama["model.layers.0.self_attn.k_proj.weight"], (std::vector<int64_t>{20, 24}));
  EXPECT_EQ(llama["model.layers.1.mlp.gate_proj.weight"], (std::vector<int64_t>{64, 24}));
  EXPECT_EQ(llama["lm_head.weight"], (std::vector<int64_t>{257, 24}));
}

}  // namespace
}  // namespace cllm
