#include "train/export.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "crystal/coded_matrix.h"
#include "crystal/small_vocabulary.h"
#include "model/model_test_files.h"
#include "train/calibration.h"
#include "train/compress.h"
#include "train/initial_model.h"
#include "train/run_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;
using Kind = nn::EmbeddingKind;

class Export : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    text_ = TokenDataset::from_tokens(testing::random_tokens(600, 257, 3), 257);
  }

  static void no_progress(std::string_view, int64_t, int64_t) {}

  // Stores the model as "source" and exports it as "out".
  ExportReport export_of(const Transformer& model, const Arena& weights,
                         const ExportProgress& progress = no_progress) {
    fs::remove_all(folder_ / "source");
    fs::create_directory(folder_ / "source");
    save_model(folder_ / "source", model, weights.data(), tokenizer_);
    return export_model({model, weights.data(), tokenizer_, folder_ / "source"}, folder_ / "out",
                        engine_, progress);
  }
  // The same of a folder, as the command does it; "out" is replaced.
  ExportReport export_folder(const std::string& name) {
    fs::remove_all(folder_ / "out");
    const fs::path folder = resolve_model_folder(folder_ / name, log_);
    const LoadedModel loaded = load_model(folder, coded_matrix_decoder());
    return export_model({*loaded.model, loaded.weights.data(), *loaded.tokenizer, folder},
                        folder_ / "out", engine_, no_progress);
  }
  LoadedModel loaded(const std::string& name) {
    return load_model(resolve_model_folder(folder_ / name, log_), coded_matrix_decoder());
  }
  double loss(const Transformer& model, const Arena& weights) const {
    return calibration_loss(model, weights.data(), {text_->all(), 400}, engine_, {}).loss;
  }
  // Of the text of the run, in the model's own tokens.
  double loss_of_text(const LoadedModel& model) const {
    std::vector<Token> tokens;
    model.tokenizer->encode(read_file(folder_ / "text.txt"), tokens);
    const TokenDataset text =
        TokenDataset::from_tokens(std::move(tokens), model.tokenizer->vocabulary_size());
    return calibration_loss(*model.model, model.weights.data(), {text.all(), 400}, engine_, {})
        .loss;
  }

  const Tokenizer tokenizer_ = Tokenizer::byte();
  std::optional<TokenDataset> text_;
};

std::vector<ModelConfig> models_of_every_kind() {
  std::vector<ModelConfig> all = {small_gpt2(), small_llama()};
  for (ModelConfig config : {small_factorised(), small_composite(), small_gpt2()})
    for (const bool tied : {true, false}) {
      if (config.embedding == Kind::kDense) config.embedding = Kind::kLattice;
      config.tied_head = tied;
      all.push_back(config);
    }
  ModelConfig own = small_own();  // a softcap, norms of queries and keys
  own.ngram_order = 0, own.ngram_modulus_a = own.ngram_modulus_b = 0, own.ngram_dropout = 0;
  own.embedding = Kind::kFactorised, own.embedding_width = 20;
  own.tied_head = true;
  all.push_back(own);
  return all;
}

// A loss is the mean of differences of a logit and a smooth maximum of all: it moves by at most
// twice what a logit does, and by the rounding of the sum.
TEST_F(Export, EveryKindKeepsItsLoss) {
  for (const ModelConfig& config : models_of_every_kind()) {
    SCOPED_TRACE(settings_of(config));
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    const ExportReport report = export_of(model, weights);
    const LoadedModel out = loaded("out");
    EXPECT_EQ(out.model->config().embedding, Kind::kDense);
    EXPECT_EQ(out.model->config().tied_head, config.tied_head);
    EXPECT_EQ(report.plain_already(), config.embedding == Kind::kDense);
    EXPECT_EQ(report.check.tokens, 264) << "the vocabulary in windows of 24";
    EXPECT_EQ(report.parameters, out.model->parameters().count());
    EXPECT_EQ(report.bytes_before,
              static_cast<int64_t>(fs::file_size(folder_ / "source" / "model.safetensors")));
    const bool summed_again = config.tied_head && (config.embedding == Kind::kFactorised ||
                                                   config.embedding == Kind::kComposite);
    EXPECT_EQ(report.check.allowed > 0, summed_again);
    const double before = loss(model, weights), after = loss(*out.model, out.weights);
    if (summed_again) {
      EXPECT_FALSE(report.check.same_bits);
      EXPECT_LE(report.check.difference, report.check.allowed);
      EXPECT_NEAR(after, before, 2 * report.check.allowed + 1e-6 * before);
    } else {
      EXPECT_TRUE(report.check.same_bits);
      EXPECT_EQ(after, before);
    }
    fs::remove_all(folder_ / "out");
  }
}

TEST_F(Export, GptAndLlamaShapesGetTheNamesOfTheirFamilies) {
  ModelConfig config = small_llama();
  config.embedding = Kind::kLattice;
  config.width = 24;
  for (const ModelConfig& kind : {config, small_factorised()}) {
    const Transformer model(kind);
    export_of(model, random_weights(model));
    const auto source = nlohmann::json::parse(read_file(folder_ / "source" / "config.json"));
    const auto out = nlohmann::json::parse(read_file(folder_ / "out" / "config.json"));
    EXPECT_EQ(source["model_type"], "cllm");
    EXPECT_EQ(out["model_type"], kind.position == PositionKind::kRotary ? "llama" : "gpt2");
    fs::remove_all(folder_ / "out");
  }
}

TEST_F(Export, APlainModelIsCopied) {
  for (const ModelConfig& config : {small_gpt2(), small_llama()}) {
    const Transformer model(config);
    EXPECT_TRUE(export_of(model, random_weights(model)).plain_already());
    for (const char* file : {"model.safetensors", "config.json", "tokenizer.json"})
      EXPECT_EQ(read_file(folder_ / "out" / file), read_file(folder_ / "source" / file)) << file;
    fs::remove_all(folder_ / "out");
  }
}

TEST_F(Export, CodedMatricesAreDecoded) {
  CompressSettings settings{.bits = 4, .method = QuantiseMethod::kRtn, .calibration_tokens = 200};
  for (const ModelConfig& config : {small_llama(), small_factorised(), small_composite()}) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    compress_model({model, weights.data(), tokenizer_, text_->all()}, settings, folder_ / "small",
                   engine_,
                   {.progress = [](const CompressProgress&) {},
                    .finished = [](const CompressedPiece&, bool) {}});
    const ExportReport report = export_folder("small");
    EXPECT_GT(report.decoded_matrices, 8);
    EXPECT_FALSE(report.plain_already());
    EXPECT_GT(report.file_bytes, 2 * report.bytes_before);
    EXPECT_FALSE(fs::exists(folder_ / "out" / "compression.json"));
    const LoadedModel small = loaded("small");
    const LoadedModel out = load_model(folder_ / "out");  // without a decoder
    if (config.embedding == Kind::kDense) {
      EXPECT_EQ(values_of(out.weights), values_of(small.weights));
    }
    EXPECT_NEAR(loss(*out.model, out.weights), loss(*small.model, small.weights),
                2 * report.check.allowed + 1e-5);
    fs::remove_all(folder_ / "small");
  }
}

// In the order made, the tokenizer is that of the run without the setting. What is left of the loss
// is the order in which the sum over the vocabulary is rounded.
TEST_F(Export, OrderedVocabulariesAreUndone) {
  for (const auto kind : {TokenizerSettings::Kind::kChar, TokenizerSettings::Kind::kBpe}) {
    RunSettings wanted = settings();
    wanted.tokenizer.kind = kind;
    wanted.tokenizer.vocabulary_size = 280;
    wanted.train.steps = 2;
    start(wanted, "plain");
    const uint64_t made = loaded("plain").tokenizer->hash();
    const std::pair<Kind, bool> heads[] = {{Kind::kDense, true},
                                           {Kind::kDense, false},
                                           {Kind::kFactorised, true},
                                           {Kind::kLattice, false}};
    for (const auto& [embedding, tied] : heads) {
      wanted.model.tied_head = tied;
      wanted.model.embedding = embedding;
      wanted.model.embedding_width = embedding == Kind::kFactorised ? 8 : 0;
      wanted.tokenizer.order = tied ? VocabularyOrder::kFrequency : VocabularyOrder::kUlam;
      start(wanted, "run");
      const ExportReport report = export_folder("run");
      EXPECT_TRUE(report.order_undone);
      EXPECT_EQ(report.check.allowed > 0, embedding == Kind::kFactorised);
      const LoadedModel before = loaded("run"), after = loaded("out");
      EXPECT_NE(before.tokenizer->hash(), made);
      EXPECT_EQ(after.tokenizer->hash(), made);
      EXPECT_NEAR(loss_of_text(after), loss_of_text(before), 2 * report.check.allowed + 1e-6);
    }
  }
}

// What is stored is fp32 whatever the run computed in.
TEST_F(Export, RunsOfEveryPrecisionKeepTheirLoss) {
  write_file(folder_ / "text.txt", testing::small_words());
  RunSettings wanted = settings();
  wanted.train.steps = 2;
  wanted.evaluation.windows = 10;
  wanted.tokenizer.kind = TokenizerSettings::Kind::kBpe;
  wanted.tokenizer.vocabulary_size = 700;
  for (const auto mode : {PrecisionSettings::Mode::kFp32, PrecisionSettings::Mode::kBf16,
                          PrecisionSettings::Mode::kFp16})
    for (const Kind embedding : {Kind::kFactorised, Kind::kComposite, Kind::kLattice}) {
      wanted.precision.mode = mode;
      wanted.model.embedding = embedding;
      wanted.model.tied_head = mode != PrecisionSettings::Mode::kBf16;
      wanted.model.embedding_width = embedding == Kind::kFactorised ? 8 : 0;
      wanted.model.embedding_dense_rows = embedding == Kind::kComposite ? 20 : 0;
      start(wanted, "run");
      const ExportReport report = export_folder("run");
      const double before = loss_of_text(loaded("run")), after = loss_of_text(loaded("out"));
      if (report.check.allowed > 0) {
        EXPECT_NEAR(after, before, 2 * report.check.allowed + 1e-6);
      } else {
        EXPECT_EQ(after, before);
      }
    }
}

TEST_F(Export, MemoryIsAskedForBeforeAnythingIsMade) {
  ModelConfig config = small_gpt2();
  config.vocabulary_size = 1 << 24;
  config.width = 1 << 15;  // a table of 2 TiB
  config.heads = 1 << 9;
  const Transformer model(config);
  EXPECT_GT(planned_export_bytes(model, engine_.context()), int64_t{2} << 40);
  EXPECT_THAT(error_of(ErrorKind::kMemory,
                       [&] {
                         export_model({model, nullptr, tokenizer_, folder_}, folder_ / "out",
                                      engine_, no_progress);
                       }),
              HasSubstr("exporting this model needs"));
  EXPECT_FALSE(fs::exists(folder_ / ".tmp-out"));
}

TEST_F(Export, ManyThreadsGiveTheSameBytes) {
  const Transformer model(small_factorised());
  const Arena weights = random_weights(model);
  export_of(model, weights);
  const Engine one(1);
  export_model({model, weights.data(), tokenizer_, folder_ / "source"}, folder_ / "one", one,
               no_progress);
  EXPECT_EQ(read_file(folder_ / "one" / "model.safetensors"),
            read_file(folder_ / "out" / "model.safetensors"));
  EXPECT_EQ(read_file(folder_ / "one" / "export.json"), read_file(folder_ / "out" / "export.json"));
}

TEST_F(Export, WhatIsRefusedOrStoppedLeavesNothing) {
  ModelConfig config = small_own();
  {
    const Transformer model(config);
    EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { export_of(model, random_weights(model)); }),
                HasSubstr("model.ngram_order=0"));
  }
  config = small_gpt2();
  config.prior_order = 2;
  {
    const Transformer model(config);
    EXPECT_THAT(
        error_of(ErrorKind::kUsage, [&] { planned_export_bytes(model, engine_.context()); }),
        HasSubstr("model.prior_order=0"));
  }
  const Transformer model(small_factorised());
  Arena weights = random_weights(model);
  for (const std::string stopped_at : {"writing", "checking"}) {
    const ExportProgress stop = [&](std::string_view part, int64_t, int64_t) {
      if (part == stopped_at) throw Error(ErrorKind::kRuntime, "", "stopped", "");
    };
    EXPECT_THAT(error_of(ErrorKind::kRuntime, [&] { export_of(model, weights, stop); }),
                HasSubstr("stopped"));
  }
  weights.data()[model.position_table()->offset] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { export_of(model, weights); }),
              HasSubstr("not finite"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_FALSE(fs::exists(folder_ / ".tmp-out"));
  fs::create_directory(folder_ / "out");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { export_of(model, weights); }),
              HasSubstr("exists already"));
}

TEST_F(Export, ADamagedFolderIsRefused) {
  const Transformer model(small_factorised());
  export_of(model, random_weights(model));
  const fs::path file = folder_ / "out" / "model.safetensors";
  std::string damaged = read_file(file);
  damaged[damaged.size() / 2] = static_cast<char>(damaged[damaged.size() / 2] ^ 4);
  write_file(file, damaged);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { resolve_model_folder(folder_ / "out", log_); }),
              HasSubstr("model.safetensors: its checksum differs"));
}

TEST_F(Export, ARunBeginsWithIt) {
  RunSettings wanted = settings();
  wanted.tokenizer.kind = TokenizerSettings::Kind::kChar;
  wanted.tokenizer.order = VocabularyOrder::kUlam;
  wanted.model.embedding = Kind::kLattice;
  start(wanted, "run");
  export_folder("run");
  RunSettings second = settings();
  second.model = ModelConfig();
  second.train.init = (folder_ / "out").string();
  take_initial_model(
      second, [](const std::string&) { return false; }, log_);
  start(second, "second");
  EXPECT_LT(evaluations(at("second")).front().second, evaluations(at("run")).front().second);
  EXPECT_EQ(load_model_config(at("second").path() / "latest").embedding, Kind::kDense);
}

}  // namespace
}  // namespace cllm
