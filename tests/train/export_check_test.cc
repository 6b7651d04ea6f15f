#include "train/export_check.h"

#include <gmock/gmock.h>

#include "crystal/plain_model.h"
#include "crystal/vocabulary_order.h"
#include "model/model_test_files.h"
#include "text/renumber.h"
#include "train/run_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class ExportCheckTest : public RunTest {
 protected:
  // What the check says of these weights in the place of an export of the model.
  std::string refusal(const Transformer& model, const Arena& weights, const Transformer& exported,
                      const Arena& other) {
    fs::create_directories(folder_ / "wrong");
    save_model(folder_ / "wrong", exported, other.data(), tokenizer_);
    return refusal_of_folder(model, weights, tokenizer_);
  }
  std::string refusal_of_folder(const Transformer& model, const Arena& weights,
                                const Tokenizer& tokenizer) {
    return error_of(ErrorKind::kRuntime, [&] { check(model, weights, tokenizer); });
  }
  ExportCheck check(const Transformer& model, const Arena& weights, const Tokenizer& tokenizer) {
    return check_export(model, weights.data(), tokenizer, folder_ / "wrong", engine_,
                        [](int64_t, int64_t) {});
  }

  const Tokenizer tokenizer_ = Tokenizer::byte();
};

TEST_F(ExportCheckTest, AWrongMatrixIsFound) {
  for (const ModelConfig& config : {small_gpt2(), small_llama()}) {
    const Transformer model(config);
    const Arena weights = random_weights(model);
    for (const Parameter& parameter : model.parameters().all()) {
      Arena wrong = random_weights(model);
      wrong.data()[parameter.offset + parameter.count - 1] += 0.25F;
      EXPECT_THAT(refusal(model, weights, model, wrong), HasSubstr("gives token"))
          << parameter.name;
    }
    // Queries and keys as another convention of rotations has them: the halves of each head
    // interleaved. (GPT-2's have biases, which stay.)
    Arena wrong = random_weights(model);
    const Parameter& qkv = *model.parameters().find("blocks.0.attention.qkv.weight");
    const int64_t C = config.width, D = config.head_width();
    float* const rows = wrong.data() + qkv.offset;
    const float* const right = weights.data() + qkv.offset;
    for (int64_t row = 0; row < (config.heads + config.kv_head_count()) * D; ++row) {
      const int64_t d = row % D, from = row - d + d % 2 * (D / 2) + d / 2;
      std::copy_n(right + from * C, C, rows + row * C);
    }
    EXPECT_THAT(refusal(model, weights, model, wrong), HasSubstr("gives token"));
    Arena no_number = random_weights(model);
    no_number.data()[0] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_THAT(refusal(model, weights, model, no_number), HasSubstr("gives token"));
  }
}

// Beyond the windows of the check.
TEST_F(ExportCheckTest, AWrongLatePositionOrRareTokenIsFound) {
  ModelConfig config = small_gpt2();
  config.width = 8, config.heads = 1, config.layers = 1;
  config.tied_head = false;
  config.context_length = 1030;
  config.vocabulary_size = 6000;
  const Transformer model(config);
  const Arena weights = random_weights(model);
  const auto wrong_at = [&](const Parameter& parameter, int64_t index) {
    Arena wrong = random_weights(model);
    wrong.data()[parameter.offset + index] += 0.25F;
    return refusal(model, weights, model, wrong);
  };
  EXPECT_THAT(wrong_at(*model.position_table(), 1029 * 8),
              HasSubstr("the exported embedding.position has other numbers"));
  // A third of the tokens is in no window.
  int seen = 0, unseen = 0;
  for (int64_t token = 0; token < 6; ++token) {
    const std::string error = wrong_at(model.token_table(), token * 8);
    seen += error.find("gives token") != std::string::npos;
    unseen += error.find("the exported embedding.token has other numbers") != std::string::npos;
  }
  EXPECT_EQ(seen + unseen, 6);
  EXPECT_GT(unseen, 0);
  save_model(folder_ / "wrong", model, weights.data(), tokenizer_);
  EXPECT_EQ(check(model, weights, tokenizer_).tokens, 4096);
}

// Of a table that was made for the export, with a head of its own, only rows in the windows show in
// the logits.
TEST_F(ExportCheckTest, AWrongRowOfAMadeTableIsFoundWhereverItIs) {
  ModelConfig lattice = small_gpt2();
  lattice.embedding = nn::EmbeddingKind::kLattice;
  for (ModelConfig config : {small_factorised(), small_composite(), lattice}) {
    config.tied_head = false;
    config.context_length = 16;
    config.vocabulary_size = 6000;
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    int unseen = 0;
    for (int64_t token = 0; token < 6; ++token) {
      PlainModel wrong = plain_model(model, weights.data(), engine_.context());
      wrong.weights.data()[wrong.model->token_table().offset + token * config.width] += 0.25F;
      const std::string error = refusal(model, weights, *wrong.model, wrong.weights);
      EXPECT_NE(error, "") << token;
      unseen += error.find("the exported embedding.token has other numbers") != std::string::npos;
    }
    EXPECT_GT(unseen, 0);
  }
}

// Where rounding is allowed, nothing that is more than that passes.
TEST_F(ExportCheckTest, AWrongTableIsFoundBehindTheBoundsOfAFactoredHead) {
  for (const ModelConfig& config : {small_factorised(), small_composite()}) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    for (const int64_t row : {int64_t{0}, int64_t{128}, config.vocabulary_size - 1}) {
      PlainModel wrong = plain_model(model, weights.data(), engine_.context());
      float* const values =
          wrong.weights.data() + wrong.model->token_table().offset + row * config.width;
      for (int64_t c = 0; c < config.width; ++c)
        values[c] *= 1.01F;
      EXPECT_THAT(refusal(model, weights, *wrong.model, wrong.weights), HasSubstr("gives token"))
          << row;
    }
    const PlainModel right = plain_model(model, weights.data(), engine_.context());
    save_model(folder_ / "wrong", *right.model, right.weights.data(), tokenizer_);
    const ExportCheck found = check(model, weights, tokenizer_);
    EXPECT_FALSE(found.same_bits);
    EXPECT_LE(found.difference, found.allowed);
  }
}

TEST_F(ExportCheckTest, AWrongTokenizerIsFound) {
  ModelConfig config = small_gpt2();
  config.vocabulary_size = 5;
  const Transformer model(config);
  const Arena weights = random_weights(model);
  const Tokenizer ordered = Tokenizer::from_ordered_characters({U'c', U'a', U'd', U'b'});
  const std::vector<Token> made = ids_to_restore(ordered);
  Arena moved = random_weights(model);
  restore_token_rows(model, made, moved.data());
  fs::create_directories(folder_ / "wrong");
  const auto folder_with = [&](const Arena& rows, const Tokenizer& tokenizer) {
    save_model(folder_ / "wrong", model, rows.data(), tokenizer);
  };
  folder_with(moved, renumbered(ordered, made));
  EXPECT_TRUE(check(model, weights, ordered).same_bits);
  folder_with(weights, renumbered(ordered, made));
  EXPECT_THAT(refusal_of_folder(model, weights, ordered), HasSubstr("gives token"));
  folder_with(moved, ordered);
  EXPECT_THAT(refusal_of_folder(model, weights, ordered), HasSubstr("gives token"));
  folder_with(moved, Tokenizer::from_characters({U'a', U'b'}));
  EXPECT_THAT(refusal_of_folder(model, weights, ordered), HasSubstr("has no token"));
}

// Equal vocabularies, other merges.
TEST_F(ExportCheckTest, OtherTokensOfATextAreFound) {
  ModelConfig config = small_gpt2();
  config.vocabulary_size = 260;
  const Transformer model(config);
  const Arena weights = random_weights(model);
  const auto tokenizer = [](std::vector<Merge> merges) {
    BpeParts parts;
    for (int byte = 0; byte < 256; ++byte)
      parts.pieces.emplace_back(1, static_cast<char>(byte));
    for (const char* piece : {"ab", "bc", "abc"})
      parts.pieces.emplace_back(piece);
    parts.pieces.emplace_back();
    parts.merges = std::move(merges);
    parts.added = {{259, std::string(kEndOfText), true}};
    parts.end_of_text = 259;
    return Tokenizer::from_bpe(std::move(parts));
  };
  const Tokenizer right = tokenizer({{'a', 'b'}, {'b', 'c'}, {256, 'c'}});
  const Tokenizer wrong = tokenizer({{'b', 'c'}, {'a', 'b'}, {256, 'c'}});
  fs::create_directories(folder_ / "wrong");
  save_model(folder_ / "wrong", model, weights.data(), wrong);
  EXPECT_THAT(refusal_of_folder(model, weights, right), HasSubstr("other tokens of a text"));
}

TEST_F(ExportCheckTest, AModelWithoutFiniteLogitsIsNotCompared) {
  const Transformer model(small_gpt2());
  Arena weights = random_weights(model);
  fs::create_directories(folder_ / "wrong");
  save_model(folder_ / "wrong", model, weights.data(), tokenizer_);
  weights.data()[model.position_table()->offset] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { check(model, weights, tokenizer_); }),
              HasSubstr("not finite"));
}

}  // namespace
}  // namespace cllm
