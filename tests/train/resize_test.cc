#include "train/resize.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "crystal/widened_model.h"
#include "model/model_test_files.h"
#include "train/calibration_rig.h"
#include "train/initial_model.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class Resize : public CalibrationTest {
 protected:
  static void no_progress(std::string_view, int64_t, int64_t) {}
  ResizeReport resize(const Transformer& model, const Arena& weights, const std::string& name,
                      const ResizeProgress& progress = no_progress) {
    return resize_with(engine_, model, weights, name, progress);
  }
  ResizeReport resize_with(const Engine& engine, const Transformer& model, const Arena& weights,
                           const std::string& name, const ResizeProgress& progress = no_progress) {
    return resize_model({model, weights.data(), tokenizer_, text_.all()}, settings_, folder_ / name,
                        engine, progress);
  }

  ResizeSettings settings_{.width = 10, .calibration_tokens = 400};
};

TEST_F(Resize, EveryFamilyKeepsItsLossAtItsOwnWidth) {
  settings_.width = 24;
  for (ModelConfig config : small_models()) {
    if (config.embedding != nn::EmbeddingKind::kDense) continue;
    config.ngram_dropout = config.dropout = 0;
    SCOPED_TRACE(settings_of(config));
    const Transformer model(config);
    const Arena weights = random_weights(model);
    for (const ResizeMethod method : {ResizeMethod::kPca, ResizeMethod::kSlice}) {
      settings_.method = method;
      const ResizeReport report = resize(model, weights, "out");
      EXPECT_EQ(report.to, 24);
      EXPECT_NEAR(report.kept, 1, 1e-6);
      // The mean over 400 tokens of what fp32 rounds, some 1e-6 of losses of about 20.
      EXPECT_NEAR(report.loss, report.loss_before, 1e-4);
      fs::remove_all(folder_ / "out");
    }
  }
}

TEST_F(Resize, TheFolderLoadsAndSaysHowItWasMade) {
  const Transformer model(small_gpt2());
  const Arena weights = random_weights(model);
  const ResizeReport report = resize(model, weights, "out");
  EXPECT_EQ(report.calibration_tokens, 408) << "17 windows of 24";
  const LoadedModel loaded = load_model(resolve_model_folder(folder_ / "out", log_));
  EXPECT_EQ(loaded.model->config().width, 10);
  EXPECT_EQ(loaded.model->parameters().count(), report.parameters);
  EXPECT_LT(report.parameters, report.parameters_before);
  EXPECT_EQ(report.file_bytes,
            static_cast<int64_t>(fs::file_size(folder_ / "out" / "model.safetensors")));
  const CalibrationText text{text_.all(), 400};
  EXPECT_EQ(calibration_loss(*loaded.model, loaded.weights.data(), text, engine_, {}).loss,
            report.loss);
  const auto json = nlohmann::json::parse(read_file(folder_ / "out" / "resize.json"));
  EXPECT_EQ(json["from"], 24);
  EXPECT_EQ(json["sites"].size(), 5u) << "two norms of each block, and the final one";
  double mean = 0;
  for (const ResizedSite& site : report.sites) {
    EXPECT_GT(site.kept, 0.2);
    EXPECT_LT(site.kept, 1);
    mean += site.kept / 5;
  }
  EXPECT_NEAR(report.kept, mean, 1e-12);
}

// The moments are sums of fp32 products of numbers of order one, so that directions outside of the
// stream come out with shares of about 2^-24, and those of the stream are turned by angles of that
// size over the share of the least of them, some 1e-6 to 1e-5. The loss, of about 20, moves with
// them.
TEST_F(Resize, FindsTheDirectionsThatTheStreamUses) {
  for (ModelConfig config : {small_gpt2(), small_llama()}) {
    config.width = 12;
    config.heads = 2;
    config.kv_heads = 0;
    ThreadPool pool(2);
    const Transformer model(config);
    const Arena weights = random_weights(model);
    const AbsorbedModel narrow(model, weights.data(), pool);
    const ResizedModel wide =
        testing::widened(narrow, testing::some_directions(24, 12, narrow.centred(), pool));
    settings_.width = 12;
    settings_.method = ResizeMethod::kPca;
    const ResizeReport pca = resize(*wide.model, wide.weights, "pca");
    EXPECT_NEAR(pca.kept, 1, 1e-5);
    EXPECT_NEAR(pca.loss, pca.loss_before, 1e-3);
    settings_.method = ResizeMethod::kSlice;
    const ResizeReport slice = resize(*wide.model, wide.weights, "slice");
    EXPECT_LT(slice.kept, 0.9);
    EXPECT_GT(std::abs(slice.loss - slice.loss_before), 0.1);
    fs::remove_all(folder_ / "pca");
    fs::remove_all(folder_ / "slice");
  }
}

TEST_F(Resize, ManyThreadsGiveTheSameBytes) {
  const Transformer model(small_own());
  const Arena weights = random_weights(model);
  resize(model, weights, "two");
  const Engine one(1);
  resize_with(one, model, weights, "one");
  for (const char* file : {"model.safetensors", "config.json", "resize.json"})
    EXPECT_EQ(read_file(folder_ / "one" / file), read_file(folder_ / "two" / file)) << file;
}

TEST_F(Resize, MistakesAreRefusedAndLeaveNothing) {
  const Transformer model(small_gpt2());
  Arena weights = random_weights(model);
  settings_.width = 25;
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { resize(model, weights, "out"); }),
              HasSubstr("25 is above the model's 24"));
  settings_.width = 1;
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { resize(model, weights, "out"); }),
              HasSubstr("LayerNorm"));
  settings_.width = 0;
  EXPECT_EQ(resized_width(settings_, model.config()), 12);
  const ResizeProgress stop = [](std::string_view part, int64_t, int64_t) {
    if (part == "checking") throw Error(ErrorKind::kRuntime, "", "stopped", "");
  };
  EXPECT_THAT(error_of(ErrorKind::kRuntime, [&] { resize(model, weights, "out", stop); }),
              HasSubstr("stopped"));
  weights.data()[model.position_table()->offset] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { resize(model, weights, "out"); }),
              HasSubstr("not finite"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  EXPECT_FALSE(fs::exists(folder_ / ".tmp-out"));
  fs::create_directory(folder_ / "out");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { resize(model, weights, "out"); }),
              HasSubstr("exists already"));
}

TEST_F(Resize, ADamagedFolderIsRefused) {
  const Transformer model(small_llama());
  resize(model, random_weights(model), "out");
  expect_damage_is_refused("out");
}

// Fine-tuning: the folder is what a run begins with, and that run learns.
TEST_F(Resize, ARunBeginsWithIt) {
  start(settings(), "first");
  const LoadedModel first = load_model(resolve_model_folder(folder_ / "first", log_));
  const RunFolder run = at("first");
  const Tokenizer tokenizer = Tokenizer::load(run.tokenizer());
  const TokenDataset text = TokenDataset::open(run.data() / "train");
  settings_.width = 8;
  resize_model({*first.model, first.weights.data(), tokenizer, text.all()}, settings_,
               folder_ / "small", engine_, no_progress);
  RunSettings wanted = settings();
  wanted.model = ModelConfig();
  wanted.train.init = (folder_ / "small").string();
  wanted.train.steps = 20;
  wanted.evaluation.every = 5;
  take_initial_model(
      wanted, [](const std::string&) { return false; }, log_);
  start(wanted, "second");
  const std::vector<std::pair<int64_t, double>> losses = evaluations(at("second"));
  EXPECT_LT(losses.back().second, losses.front().second);
  EXPECT_EQ(load_model_config(at("second").path() / "latest").width, 8);
}

}  // namespace
}  // namespace cllm
