#include "train/checkpoint.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"
#include "formats/safetensors.h"
#include "temporary_folder.h"
#include "trainer_rig.h"

namespace cllm {
namespace {

using ::cllm::testing::same_bits;
using ::testing::HasSubstr;

class Checkpoint : public TemporaryFolder {
 protected:
  RunFolder new_run(const std::string& name) {
    return RunFolder::create(folder_ / name, {"", "", "{}"}, false);
  }

  void save(const RunFolder& run, TrainerRig& rig, int64_t keep = 10) {
    save_checkpoint(run, rig.trainer.contents(tokenizer_), rig.trainer.state(), keep);
  }
  void restore(const fs::path& folder, TrainerRig& rig) {
    rig.trainer.restore(load_checkpoint(folder, rig.trainer.contents(tokenizer_)));
  }

  static std::set<std::string> names_in(const fs::path& folder) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder))
      names.insert(entry.path().filename().string());
    return names;
  }

  // Every file of a folder by name.
  static std::map<std::string, std::string> contents_of(const fs::path& folder) {
    std::map<std::string, std::string> files;
    for (const std::string& name : names_in(folder))
      files[name] = read_file(folder / name);
    return files;
  }

  static void overwrite(const fs::path& file, const std::string& bytes) {
    std::ofstream(file, std::ios::binary) << bytes;
  }

  template <class Action>
  static std::string error_of(Action action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 3) << error.what();
      return error.what();
    }
    return "";
  }

  // find_good_checkpoint and what it told the user.
  std::pair<fs::path, std::string> good_checkpoint(const RunFolder& run) {
    const fs::path said = folder_ / "said";
    const int descriptor = ::open(said.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    Log log({.descriptor = descriptor}, LogLevel::kNormal, LogFormat::kPlain);
    fs::path found;
    const std::string error = error_of([&] { found = find_good_checkpoint(run, log); });
    ::close(descriptor);
    return {found, error + read_file(said)};
  }

  const Tokenizer tokenizer_ = Tokenizer::byte();
};

TEST_F(Checkpoint, AResumedRunGoesOnBitForBit) {
  RunSettings sgd = llama_settings();
  sgd.optimizer.kind = OptimizerSettings::Kind::kSgd;
  RunSettings by_ranges = gpt2_settings();
  by_ranges.train.clip_norm = 0;
  by_ranges.train.gradient_accumulation_steps = 1;
  by_ranges.train.batch_size = 6;
  RunSettings muon_bf16 = muon_settings();  // with an average of the weights
  muon_bf16.precision.mode = PrecisionSettings::Mode::kBf16;
  RunSettings muon_by_ranges = in_backward(muon_bf16);
  muon_by_ranges.train.batch_size = 6;
  ASSERT_TRUE(by_ranges.updates_in_backward() && muon_by_ranges.updates_in_backward());
  int number = 0;
  for (const RunSettings& settings :
       {gpt2_settings(), llama_settings(), sgd, muon_settings(), muon_bf16, by_ranges,
        muon_by_ranges, factorised_settings(), composite_settings(), lattice_settings(),
        residual_settings()}) {
    const RunFolder run = new_run(std::to_string(++number));
    TrainerRig whole(settings, 1);
    whole.steps(5);
    save(run, whole);
    whole.steps(6);  // into the second epoch
    ASSERT_GT(whole.trainer.state().loader.epoch, 0u);

    TrainerRig resumed(settings, 3);
    resumed.steps(2);  // must leave no trace
    restore(run.checkpoint(5), resumed);
    EXPECT_EQ(resumed.trainer.state().step, 5);
    resumed.steps(6);
    EXPECT_TRUE(resumed.trainer.state() == whole.trainer.state());
    EXPECT_TRUE(same_bits(resumed.everything(tokenizer_), whole.everything(tokenizer_)));

    TrainerRig other(settings, 1);
    restore(run.checkpoint(5), other);
    other.trainer.weights()[100] += 1e-6f;
    other.steps(6);
    EXPECT_FALSE(same_bits(other.weights(), whole.weights())) << "the comparison sees nothing";
  }
}

TEST_F(Checkpoint, EqualRunsWriteEqualBytes) {
  const RunFolder a = new_run("a"), b = new_run("b");
  TrainerRig one(gpt2_settings(), 1), four(gpt2_settings(), 4);
  one.steps(3);
  four.steps(3);
  save(a, one);
  save(b, four);
  EXPECT_EQ(contents_of(a.checkpoint(3)), contents_of(b.checkpoint(3)));
  four.steps(1);
  save(b, four);
  EXPECT_NE(contents_of(a.checkpoint(3)), contents_of(b.checkpoint(4)));
}

TEST_F(Checkpoint, KeepsTheWholeState) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  rig.steps(2);
  TrainingState& state = rig.trainer.state();
  for (const double best : {1.25, std::numeric_limits<double>::infinity()}) {
    state.best_loss = best;
    state.best_step = 1;
    state.evaluations_since_best = 7;
    state.stopped_early = true;
    state.loss_scale = {512, 17, 3, 1};
    state.evaluation_owed = best > 2;
    state.sample_owed = best < 2;
    save(run, rig);
    const TrainingState loaded =
        load_checkpoint(run.checkpoint(2), rig.trainer.contents(tokenizer_));
    EXPECT_TRUE(loaded == state);
  }
}

TEST_F(Checkpoint, OlderStatesAreReadAndNewerOnesRefused) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  rig.steps(2);
  save(run, rig);
  const fs::path file = run.checkpoint(2) / "state.json";
  nlohmann::json json = nlohmann::json::parse(read_file(file));
  json["version"] = 2;
  json.erase("loss_scale");
  json.erase("data_hash");
  overwrite(file, json.dump());
  TrainingState expected = rig.trainer.state();
  expected.data_hash = 0;
  EXPECT_TRUE(read_state(run.checkpoint(2)) == expected);
  for (const int version : {1, 5}) {
    json["version"] = version;
    overwrite(file, json.dump());
    EXPECT_THAT(error_of([&] { read_state(run.checkpoint(2)); }),
                HasSubstr("was written by another version of cllm"));
  }
}

// What was judged is the model; what training goes on from lies with the optimizer.
TEST_F(Checkpoint, TheModelIsTheAverage) {
  const RunFolder run = new_run("run");
  TrainerRig rig(muon_settings());
  rig.steps(2);
  save(run, rig);
  const LoadedModel loaded = load_model(run.checkpoint(2));
  EXPECT_TRUE(same_bits({loaded.weights.data(), loaded.weights.data() + loaded.weights.floats()},
                        rig.evaluation_weights()));
  EXPECT_FALSE(same_bits(rig.evaluation_weights(), rig.weights()));
  const SafetensorsFile optimizer(run.checkpoint(2) / "optimizer.safetensors");
  EXPECT_NE(optimizer.find("weights.blocks.0.mlp.up.weight"), nullptr);
  EXPECT_NE(optimizer.find("first_moment.blocks.0.mlp.up.weight"), nullptr);
  EXPECT_EQ(optimizer.find("second_moment.blocks.0.mlp.up.weight"), nullptr);
  EXPECT_NE(optimizer.find("second_moment.embedding.token"), nullptr);
}

TEST_F(Checkpoint, IsAModelFolder) {
  const RunFolder run = new_run("run");
  TrainerRig rig(llama_settings());
  rig.steps(1);
  save(run, rig);
  const LoadedModel loaded = load_model(run.checkpoint(1));
  ASSERT_TRUE(loaded.tokenizer.has_value());
  EXPECT_EQ(loaded.tokenizer->hash(), tokenizer_.hash());
  EXPECT_TRUE(same_bits({loaded.weights.data(), loaded.weights.data() + loaded.weights.floats()},
                        rig.weights()));
}

TEST_F(Checkpoint, RotationKeepsTheNewestAndTheBest) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  for (int step = 1; step <= 5; ++step) {
    rig.steps(1);
    if (step == 2) rig.trainer.state().best_step = 2;
    save(run, rig, 2);
  }
  EXPECT_EQ(names_in(run.checkpoints()),
            (std::set<std::string>{"step-000002", "step-000004", "step-000005"}));
  EXPECT_EQ(fs::canonical(run.latest()), fs::canonical(run.checkpoint(5)));
  EXPECT_EQ(fs::canonical(run.best()), fs::canonical(run.checkpoint(2)));
  EXPECT_EQ(contents_of(run.latest()), contents_of(run.checkpoint(5))) << "links lead to files";
}

// A damaged newer checkpoint, behind which the run went back, must not push out what is good.
TEST_F(Checkpoint, RotationKeepsWhatWasJustWritten) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  rig.steps(1);
  save(run, rig, 1);
  fs::create_directories(run.checkpoint(9));
  rig.steps(1);
  save(run, rig, 1);
  EXPECT_EQ(names_in(run.checkpoints()), (std::set<std::string>{"step-000002", "step-000009"}));
  EXPECT_EQ(good_checkpoint(run).first, run.checkpoint(2));
}

TEST_F(Checkpoint, SavingAgainReplaces) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  rig.steps(1);
  save(run, rig);
  rig.trainer.weights()[3] = 42;
  save(run, rig);
  EXPECT_EQ(names_in(run.checkpoints()), (std::set<std::string>{"step-000001"}));
  verify_checkpoint(run.checkpoint(1));
  TrainerRig other(gpt2_settings());
  restore(run.checkpoint(1), other);
  EXPECT_EQ(other.trainer.weights()[3], 42);
}

// A flipped bit, a lost byte, an added byte and a missing file, for every file of a checkpoint.
TEST_F(Checkpoint, EveryDamageOfEveryFileIsFound) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  rig.steps(1);
  save(run, rig);
  const fs::path folder = run.checkpoint(1);
  ASSERT_EQ(error_of([&] { verify_checkpoint(folder); }), "");
  for (const std::string& name : names_in(folder)) {
    if (name == "manifest.json") continue;
    const fs::path file = folder / name;
    const std::string good = read_file(file);
    const auto error_with = [&](const std::string& bytes) {
      overwrite(file, bytes);
      return error_of([&] { verify_checkpoint(folder); });
    };
    std::string flipped = good;
    flipped[flipped.size() / 2] ^= 4;
    EXPECT_THAT(error_with(flipped), HasSubstr(name + ": its checksum differs"));
    EXPECT_THAT(error_with(good.substr(0, good.size() - 1)), HasSubstr("bytes, expected"));
    EXPECT_THAT(error_with(good + "x"), HasSubstr("bytes, expected"));
    fs::remove(file);
    EXPECT_THAT(error_of([&] { verify_checkpoint(folder); }), HasSubstr(name + ": is missing"));
    EXPECT_EQ(error_with(good), "");
  }
}

TEST_F(Checkpoint, ADamagedManifestIsAnErrorNotACrash) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  rig.steps(1);
  save(run, rig);
  const fs::path folder = run.checkpoint(1), file = folder / "manifest.json";
  const std::string good = read_file(file);
  for (const std::string bad :
       {"", "{", "[]", "3", "{\"files\": 3}", "{\"files\": {}}",
        "{\"files\": {\"config.json\": 3}}",
        "{\"files\": {\"config.json\": {\"bytes\": \"x\", \"xxh64\": 7}}}"}) {
    overwrite(file, bad);
    EXPECT_NE(error_of([&] { verify_checkpoint(folder); }), "") << bad;
  }
  const auto bytes = fs::file_size(folder / "config.json");
  overwrite(file, fmt::format("{{\"files\": {{\"config.json\": {{\"bytes\": {}, \"xxh64\": 7}}}}}}",
                              bytes));
  EXPECT_THAT(error_of([&] { verify_checkpoint(folder); }), HasSubstr("checksum"));
  overwrite(file, good.substr(0, good.size() / 2));
  EXPECT_THAT(error_of([&] { verify_checkpoint(folder); }), HasSubstr("manifest.json"));
  fs::remove(file);
  EXPECT_THAT(error_of([&] { verify_checkpoint(folder); }), HasSubstr("manifest.json"));
}

TEST_F(Checkpoint, FallsBackToThePreviousGoodOneAndSaysSo) {
  const RunFolder run = new_run("run");
  EXPECT_THAT(good_checkpoint(run).second, HasSubstr("has no checkpoint yet"));
  TrainerRig rig(gpt2_settings());
  for (int step = 1; step <= 3; ++step) {
    rig.steps(1);
    save(run, rig);
  }
  EXPECT_EQ(good_checkpoint(run), (std::pair<fs::path, std::string>{run.checkpoint(3), ""}));
  fs::resize_file(run.checkpoint(3) / "model.safetensors", 1000);
  auto [found, said] = good_checkpoint(run);
  EXPECT_EQ(found, run.checkpoint(2));
  EXPECT_THAT(said, HasSubstr("passing over a damaged checkpoint"));
  EXPECT_THAT(said, HasSubstr("step-000003/model.safetensors"));
  fs::remove(run.checkpoint(2) / "manifest.json");  // as after a crash in older software
  EXPECT_EQ(good_checkpoint(run).first, run.checkpoint(1));
  fs::remove_all(run.checkpoint(1));
  EXPECT_THAT(good_checkpoint(run).second, HasSubstr("none of its 2 checkpoints is whole"));
}

TEST_F(Checkpoint, AnotherOptimizerIsRefused) {
  const RunFolder run = new_run("run");
  RunSettings settings = gpt2_settings();
  settings.optimizer.kind = OptimizerSettings::Kind::kSgd;
  TrainerRig sgd(settings), adamw(gpt2_settings());
  sgd.steps(1);
  save(run, sgd);
  EXPECT_THAT(error_of([&] { restore(run.checkpoint(1), adamw); }),
              HasSubstr("has no tensor second_moment.embedding.token"));
}

TEST_F(Checkpoint, ResolvesRunsCheckpointsAndModels) {
  const RunFolder run = new_run("run");
  Log log({.descriptor = -1}, LogLevel::kQuiet, LogFormat::kPlain);
  TrainerRig rig(gpt2_settings());
  rig.steps(1);
  rig.trainer.state().best_step = 1;
  save(run, rig);
  rig.steps(1);
  save(run, rig);
  const fs::path best = fs::canonical(run.checkpoint(1)), newest = fs::canonical(run.checkpoint(2));
  EXPECT_EQ(resolve_model_folder(run.path(), log), best);
  EXPECT_EQ(resolve_model_folder(run.checkpoint(2), log), run.checkpoint(2));
  overwrite(run.checkpoint(1) / "state.json", "{}");
  EXPECT_EQ(fs::canonical(resolve_model_folder(run.path(), log)), newest);
  EXPECT_THAT(error_of([&] { resolve_model_folder(run.checkpoint(1), log); }),
              HasSubstr("state.json"));
  EXPECT_THROW(resolve_model_folder(folder_ / "nowhere", log), Error);
  EXPECT_THAT(error_of([&] { resolve_model_folder(folder_, log); }), HasSubstr("holds no model"));
  write_file(folder_ / "config.json", "{}");
  EXPECT_EQ(resolve_model_folder(folder_, log), folder_) << "load_model judges what is in it";
}

// Files may not grow beyond a limit for a while, as on a full disk.
TEST_F(Checkpoint, AFailedSaveLeavesTheOldOnes) {
  const RunFolder run = new_run("run");
  TrainerRig rig(gpt2_settings());
  rig.steps(1);
  save(run, rig);
  const auto before = contents_of(run.checkpoint(1));
  rig.steps(1);
  rlimit old;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit low{10000, old.rlim_max};
  setrlimit(RLIMIT_FSIZE, &low);
  int exit_code = 0;
  try {
    save(run, rig, 1);
  } catch (const Error& error) {
    exit_code = error.exit_code();
  }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(exit_code, 1);
  EXPECT_EQ(names_in(run.checkpoints()), (std::set<std::string>{"step-000001"}));
  EXPECT_EQ(contents_of(run.checkpoint(1)), before);
  EXPECT_EQ(fs::canonical(run.latest()), fs::canonical(run.checkpoint(1)));
}

}  // namespace
}  // namespace cllm
