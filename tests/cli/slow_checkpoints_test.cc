// Damaged checkpoints and data of a run: found, passed over, said; never a crash.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/philox.h"
#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

// Every file of a checkpoint that counts.
const Words kFiles = {"model.safetensors", "optimizer.safetensors", "state.json",
                      "config.json",       "tokenizer.json",        "manifest.json"};

class Checkpoints : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    const ProgramResult result = cllm(
        train() + steps(6) + set({"checkpoint.every=2", "checkpoint.keep=3", "sample.every=0"}));
    ASSERT_EQ(result.code, 0) << result.err;
    final_ = manifest(6);
    fs::copy(run().path(), at("good"), kCopy);
  }
  void restore() {
    fs::remove_all(run().path());
    fs::copy(at("good"), run().path(), kCopy);
  }
  void flip_bit(const fs::path& path, size_t byte) {
    std::string bytes = read_file(path);
    bytes.at(byte) = static_cast<char>(bytes.at(byte) ^ 4);
    write_file(path, bytes);
  }
  void truncate(const fs::path& path) { fs::resize_file(path, fs::file_size(path) / 2); }

  // resume falls back to `step`, says which file was damaged, and ends at the same bits.
  void expect_fallback(int step, const Words& parts) {
    const ProgramResult result = cllm({"resume", "run"});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.err, HasSubstr("passing over a damaged checkpoint: "));
    for (const std::string& part : parts)
      EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_THAT(result.err, HasSubstr(fmt::format("resuming from step {} of 6", step)));
    EXPECT_EQ(manifest(6), final_);
    expect_whole_metrics(run(), 6);
    EXPECT_EQ(fs::read_symlink(run().latest()), fs::path("checkpoints/step-000006"));
    EXPECT_EQ(fs::canonical(run().best()), fs::canonical(run().checkpoint(6)));
  }
  // Makes the manifest agree with a file that was changed.
  void sign(const fs::path& checkpoint, const std::string& name) {
    auto json = nlohmann::ordered_json::parse(read_file(checkpoint / "manifest.json"));
    const std::string bytes = read_file(checkpoint / name);
    json["files"][name] = {{"bytes", bytes.size()},
                           {"xxh64", hash64_hex(hash64(bytes.data(), bytes.size()))}};
    write_file(checkpoint / "manifest.json", json.dump(2) + "\n");
  }

  static constexpr auto kCopy = fs::copy_options::recursive | fs::copy_options::copy_symlinks;
  std::string final_;
};

TEST_F(Checkpoints, AGoodRunIsNotCalledDamaged) {
  fs::remove_all(run().checkpoint(6));
  const ProgramResult result = cllm({"resume", "run"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("damaged")));
  EXPECT_THAT(result.err, HasSubstr("resuming from step 4 of 6"));
  EXPECT_EQ(manifest(6), final_);
}

TEST_F(Checkpoints, DamageOfEveryFileFallsBackToThePreviousOne) {
  for (const std::string& name : kFiles) {
    SCOPED_TRACE(name);
    const fs::path path = run().checkpoint(6) / name;
    truncate(path);
    expect_fallback(4, {name});
    restore();
    flip_bit(path, fs::file_size(path) / 3);
    expect_fallback(4, {name == "manifest.json" ? "step-000006" : name});
    restore();
    fs::remove(path);
    expect_fallback(4, {name});
    restore();
  }
}

TEST_F(Checkpoints, SeveralDamagedOnesArePassedOver) {
  truncate(run().checkpoint(6) / "model.safetensors");
  flip_bit(run().checkpoint(4) / "optimizer.safetensors", 5000);
  expect_fallback(2, {"step-000006/model.safetensors", "step-000004/optimizer.safetensors"});
}

TEST_F(Checkpoints, NoGoneOneIsReplacedByAStart) {
  for (const int step : {2, 4, 6})
    truncate(run().checkpoint(step) / "model.safetensors");
  const auto before = snapshot(run().path());
  const ProgramResult result = cllm({"resume", "run"});
  expect_error(result, 3, {"none of its 3 checkpoints is whole", "--overwrite"});
  EXPECT_EQ(snapshot(run().path()), before);
}

TEST_F(Checkpoints, ARunThatLostAllOfThemIsNotBegunAgain) {
  fs::remove_all(run().checkpoints());
  const auto before = snapshot(run().path());
  expect_error(cllm({"resume", "run"}), 3, {"run: has no checkpoint"});
  EXPECT_EQ(snapshot(run().path()), before);
}

TEST_F(Checkpoints, AStateOfAnotherCheckpointIsRefused) {
  fs::copy(run().checkpoint(4), run().checkpoint(9), kCopy);
  expect_error(cllm({"resume", "run"}), 3, {"step-000009/state.json", "does not belong"});
}

TEST_F(Checkpoints, ATokenizerThatDoesNotMatchIsRefused) {
  write_file(at("other.txt"), "quite other characters: ÄÖÜ\n" + small_text());
  ASSERT_EQ(cllm(train("other.txt", "other") + steps(1)).code, 0);
  fs::copy_file(at("other/tokenizer.json"), run().tokenizer(),
                fs::copy_options::overwrite_existing);
  expect_error(cllm({"resume", "run", "--steps", "8"}), 3,
               {"run/tokenizer.json: is not the tokenizer of", "step-000006", "copy that"});
  restore();
  // In the checkpoint too, with a manifest that agrees: the data is of another vocabulary.
  for (const fs::path& path : {run().tokenizer(), run().checkpoint(6) / "tokenizer.json"})
    fs::copy_file(at("other/tokenizer.json"), path, fs::copy_options::overwrite_existing);
  sign(run().checkpoint(6), "tokenizer.json");
  expect_error(cllm({"resume", "run", "--steps", "8"}), 3,
               {"run/data/train/tokens-00000.tok: made with another vocabulary"});
}

TEST_F(Checkpoints, DamagedDataIsRefused) {
  const fs::path shard = run().data() / "train" / "tokens-00000.tok";
  const Words resume = {"resume", "run", "--steps", "8"};
  flip_bit(shard, fs::file_size(shard) / 2);
  expect_error(cllm(resume), 3, {"tokens-00000.tok: damaged: checksum"});
  restore();
  truncate(shard);
  expect_error(cllm(resume), 3, {"tokens-00000.tok"});
  restore();
  fs::remove(shard);
  expect_error(cllm(resume), 3, {"tokens-00000.tok: cannot read"});
  restore();
  fs::remove_all(run().data());
  expect_error(cllm(resume), 3, {"run/data/train"});
  restore();
  EXPECT_EQ(cllm(resume).code, 0);
}

TEST_F(Checkpoints, TokenFilesThatChangedAreRefused) {
  std::string tokens;
  for (int i = 0; i < 800; ++i)
    tokens += {static_cast<char>(i * i % 21), '\0'};
  write_file(at("tokens.bin"), tokens);
  const Words words = train("tokens.bin", "binary") + Words{"--tokenizer", "run/tokenizer.json"};
  ASSERT_EQ(cllm(words + steps(2)).code, 0);
  // From elsewhere, too.
  options_.folder = "/";
  const Words resume = {"resume", at("binary").string(), "--steps"};
  EXPECT_EQ(cllm(resume + Words{"4"}).code, 0);
  tokens[100] = static_cast<char>(tokens[100] ^ 1);
  write_file(at("tokens.bin"), tokens);
  expect_error(cllm(resume + Words{"6"}), 3, {"tokens.bin", "are not those the run began with"});
}

TEST_F(Checkpoints, RandomBytesNeverCrash) {
  const Philox random(3, RandomStream::kTest);
  const Words files = kFiles + Words{"../../config.toml", "../../tokenizer.json",
                                     "../../metrics.jsonl", "../../data/train/dataset.json"};
  for (uint64_t round = 0; round < 4; ++round) {
    for (const std::string& name : files) {
      const fs::path path = (run().checkpoint(6) / name).lexically_normal();
      std::string bytes = read_file(path);
      PhiloxSequence draw(random, round * 100 + bytes.size() % 97);
      if (round == 0)
        for (char& byte : bytes)
          byte = static_cast<char>(draw.below(256));
      else
        for (uint64_t i = 0; i < 1 + bytes.size() / 300; ++i)
          bytes[draw.below(bytes.size())] = static_cast<char>(draw.below(round == 1 ? 256 : 128));
      write_file(path, bytes);
      if (name != "manifest.json" && !name.starts_with("..")) sign(run().checkpoint(6), name);
      for (const Words& words :
           {Words{"resume", "run", "--steps", "7"}, Words{"generate", run().checkpoint(6).string(),
                                                          "--prompt", "a", "--max-tokens", "2"}}) {
        SCOPED_TRACE(fmt::format("{} {} round {}", words[0], name, round));
        const ProgramResult result = cllm(words);
        EXPECT_THAT(result.code, AnyOf(0, 1, 2, 3, 4)) << result.err;
        if (result.code != 0) error_line(result);
      }
      restore();
    }
  }
}

}  // namespace
}  // namespace cllm::cli
