#include "train/compress.h"

#include <gmock/gmock.h>

#include "crystal/coded_matrix.h"
#include "crystal/input_moments.h"
#include "model/model_test_files.h"
#include "model/session.h"
#include "train/calibration_rig.h"
#include "train/checkpoint.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class Compress : public CalibrationTest {
 protected:
  CompressReport compress(const std::string& name, const CompressControls& controls = quiet()) {
    return compress_with(engine_, name, controls);
  }
  CompressReport compress_with(const Engine& engine, const std::string& name,
                               const CompressControls& controls = quiet()) {
    return compress_model({model_, weights_.data(), tokenizer_, text_.all()}, settings_,
                          folder_ / name, engine, controls);
  }
  static CompressControls quiet() {
    return {.progress = [](const CompressProgress&) {},
            .finished = [](const CompressedPiece&, bool) {}};
  }
  // Ends the work when this many matrices are finished.
  static CompressControls stopping_after(int count) {
    CompressControls controls = quiet();
    controls.finished = [count, done = 0](const CompressedPiece&, bool) mutable {
      if (++done == count) throw Error(ErrorKind::kRuntime, "", "stopped", "go on");
    };
    return controls;
  }
  std::map<std::string, std::string> contents(const std::string& name) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::directory_iterator(folder_ / name))
      files[entry.path().filename().string()] = read_file(entry.path());
    return files;
  }

  const Transformer model_{small_llama()};
  Arena weights_ = random_weights(model_);
  CompressSettings settings_{.bits = 4, .calibration_tokens = 400, .block = 8, .width = 4};
};

// For each of the 2 x 4 linears and the head the moments, 8 bytes for each pair of inputs.
TEST_F(Compress, MemoryIsPlanned) {
  int64_t moments = 0;
  for (const nn::Linear* linear : model_.linears())
    moments += 8 * linear->in() * linear->in();
  const int64_t planned = planned_compression_bytes(model_, engine_.context());
  EXPECT_GT(planned, moments + Session::planned_bytes(model_, engine_.context(),
                                                      {.B = 1,
                                                       .T = model_.config().context_length,
                                                       .S = model_.config().context_length,
                                                       .training = false}));
  EXPECT_GE(planned, InputMoments::planned_bytes(model_, engine_.context()));
}

TEST_F(Compress, EveryMatrixIsCodedAndTheFolderLoads) {
  const CompressReport report = compress("out");
  EXPECT_EQ(report.calibration_tokens, 408) << "17 windows of 24";
  int64_t weights = 0;
  for (const Parameter& parameter : model_.parameters().all())
    if (parameter.shape.size() == 2) weights += parameter.count;
  EXPECT_EQ(report.weights, weights);
  EXPECT_EQ(report.file_bytes,
            static_cast<int64_t>(fs::file_size(folder_ / "out" / "model.safetensors")));
  EXPECT_FALSE(fs::exists(unfinished_folder(folder_ / "out")));
  const LoadedModel loaded =
      load_model(resolve_model_folder(folder_ / "out", log_), coded_matrix_decoder());
  double error = 0, power = 0;
  for (const Parameter& parameter : model_.parameters().all())
    for (int64_t i = parameter.offset; i < parameter.offset + parameter.count; ++i) {
      const double difference = double{loaded.weights.data()[i]} - weights_.data()[i];
      if (parameter.shape.size() == 1) {
        EXPECT_EQ(difference, 0) << parameter.name;
      }
      error += difference * difference;
      power += double{weights_.data()[i]} * weights_.data()[i];
    }
  // At 4 bits the mean squared error of a normal variable is 2^-8 times 1.42 (the step's shape) of
  // its variance; layers may trade errors between directions.
  EXPECT_LT(error, 0.02 * power);
}

// Factors and rows that tokens share are matrices like others, and lose what a table of the same
// model loses (these inputs have directions that do not matter, which take more of the error than
// above); codes are kept as they are.
TEST_F(Compress, EveryKindOfEmbedding) {
  double of_table = 0;
  for (const ModelConfig& config : {small_gpt2(), small_factorised(), small_composite()}) {
    const Transformer model(config, testing::test_codes(config));
    const Arena weights = random_weights(model);
    const std::string name = fmt::format("kind-{}", static_cast<int>(config.embedding));
    const CompressReport report = compress_model({model, weights.data(), tokenizer_, text_.all()},
                                                 settings_, folder_ / name, engine_, quiet());
    int64_t matrices = 0;
    for (const Parameter& parameter : model.parameters().all())
      if (parameter.shape.size() == 2) matrices += parameter.count;
    EXPECT_EQ(report.weights, matrices);
    const LoadedModel loaded =
        load_model(resolve_model_folder(folder_ / name, log_), coded_matrix_decoder());
    EXPECT_EQ(loaded.model->codes() == nullptr, model.codes() == nullptr);
    if (model.codes() != nullptr) {
      EXPECT_EQ(*loaded.model->codes(), *model.codes());
    }
    double error = 0, power = 0;
    for (int64_t i = 0; i < weights.floats(); ++i) {
      error += std::pow(double{loaded.weights.data()[i]} - weights.data()[i], 2);
      power += std::pow(double{weights.data()[i]}, 2);
    }
    if (config.embedding == nn::EmbeddingKind::kDense) of_table = error / power;
    EXPECT_LT(error / power, 1.2 * of_table);
    EXPECT_LT(of_table, 0.05);
  }
}

TEST_F(Compress, ManyThreadsGiveTheSameBytes) {
  compress("two");
  const Engine one(1);
  compress_with(one, "one");
  EXPECT_EQ(contents("one"), contents("two"));
}

TEST_F(Compress, GoesOnWhereItWasStopped) {
  compress("straight");
  EXPECT_THAT(error_of(ErrorKind::kRuntime, [&] { compress("out", stopping_after(5)); }),
              HasSubstr("stopped"));
  EXPECT_FALSE(fs::exists(folder_ / "out"));
  // A record that a crash left damaged is made again.
  write_file(unfinished_folder(folder_ / "out") / "matrix-00001", "CLX1");
  int kept = 0;
  CompressControls controls = quiet();
  controls.finished = [&](const CompressedPiece&, bool was_kept) { kept += was_kept; };
  compress("out", controls);
  EXPECT_EQ(kept, 4);
  EXPECT_EQ(contents("out"), contents("straight"));
}

// Killed before the job was written: nothing, the lock, or half of the job.
TEST_F(Compress, AStartThatWasKilledIsStartedAgain) {
  using Names = std::vector<std::string>;
  compress("straight");
  const fs::path unfinished = unfinished_folder(folder_ / "out");
  for (const Names& left : {Names{}, Names{".lock"}, Names{".lock", ".tmp-job.json"}}) {
    fs::create_directory(unfinished);
    for (const std::string& name : left)
      write_file(unfinished / name, "{");
    compress("out");
    EXPECT_EQ(contents("out"), contents("straight"));
    EXPECT_FALSE(fs::exists(unfinished));
    fs::remove_all(folder_ / "out");
  }
  fs::create_directory(unfinished);
  write_file(unfinished / ".tmp-job.json", "{");
  write_file(unfinished / "mine.txt", "mine");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("out"); }),
              HasSubstr("holds something else"));
  EXPECT_EQ(read_file(unfinished / "mine.txt"), "mine");
}

// Half of a record, and a folder of the model that is not whole.
TEST_F(Compress, WhatAKilledWriterLeftIsWrittenAgain) {
  compress("straight");
  EXPECT_NE(error_of(ErrorKind::kRuntime, [&] { compress("out", stopping_after(2)); }), "");
  const fs::path unfinished = unfinished_folder(folder_ / "out");
  write_file(unfinished / ".lock", "");
  write_file(unfinished / ".tmp-matrix-00002", "CLX1");
  fs::create_directory(unfinished / ".tmp-model");
  write_file(unfinished / ".tmp-model" / ".tmp-model.safetensors", "half");
  compress("out");
  EXPECT_EQ(contents("out"), contents("straight"));
  EXPECT_FALSE(fs::exists(unfinished));
}

// Killed after the model was in place, before the records were gone.
TEST_F(Compress, RecordsOfAFinishedModelAreRemoved) {
  compress("straight");
  const std::map<std::string, std::string> made = contents("straight");
  EXPECT_NE(error_of(ErrorKind::kRuntime, [&] { compress("out", stopping_after(3)); }), "");
  fs::rename(folder_ / "straight", folder_ / "out");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("out"); }), HasSubstr("exists already"));
  EXPECT_FALSE(fs::exists(unfinished_folder(folder_ / "out")));
  EXPECT_EQ(contents("out"), made);
  // Killed between the last record and its folder.
  fs::create_directory(unfinished_folder(folder_ / "out"));
  write_file(unfinished_folder(folder_ / "out") / ".lock", "");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("out"); }), HasSubstr("exists already"));
  EXPECT_FALSE(fs::exists(unfinished_folder(folder_ / "out")));
  // Those of another model are not, nor of nothing that is known.
  fs::create_directory(unfinished_folder(folder_ / "out"));
  write_file(unfinished_folder(folder_ / "out") / "job.json", "{}");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("out"); }), HasSubstr("exists already"));
  EXPECT_TRUE(fs::exists(unfinished_folder(folder_ / "out") / "job.json"));
  EXPECT_NE(error_of(ErrorKind::kRuntime, [&] { compress("other", stopping_after(3)); }), "");
  settings_.bits = 3;
  compress("three");
  fs::rename(folder_ / "three", folder_ / "other");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("other"); }), HasSubstr("exists already"));
  EXPECT_TRUE(fs::exists(unfinished_folder(folder_ / "other") / "matrix-00002"));
}

TEST_F(Compress, UnfinishedWorkOnSomethingElseIsLeftAlone) {
  EXPECT_NE(error_of(ErrorKind::kRuntime, [&] { compress("out", stopping_after(2)); }), "");
  settings_.bits = 3;
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("out"); }), HasSubstr("unfinished"));
  settings_.bits = 4;
  const float weight = std::exchange(weights_.data()[0], 1e3F);
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("out"); }), HasSubstr("unfinished"));
  weights_.data()[0] = weight;
  compress("out");
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { compress("out"); }), HasSubstr("exists already"));
}

TEST_F(Compress, ADamagedFolderIsRefused) {
  compress("out");
  expect_damage_is_refused("out");
}

}  // namespace
}  // namespace cllm
