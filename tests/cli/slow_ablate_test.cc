// cllm ablate on a tiny model: a report that can be read, and goes on where it was stopped or
// killed.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include "base/philox.h"
#include "cli/slow_program.h"
#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using ::testing::HasSubstr;

class Ablate : public CommandTest {
 protected:
  std::vector<std::string> command(const std::string& out,
                                   const std::string& name = "ngram-dropout") {
    const std::string text = in_folder("text.txt");
    write_file(text, run_program({"data", "stories", "--bytes", "20k"}).out);
    std::vector<std::string> words = {"ablate",
                                      name,
                                      "--data",
                                      text,
                                      "--out",
                                      in_folder(out),
                                      "--seeds",
                                      "2",
                                      "--steps",
                                      "6",
                                      "--context-length",
                                      "16",
                                      "--batch-size",
                                      "2",
                                      "--set",
                                      "model.layers=1",
                                      "--set",
                                      "model.width=16",
                                      "--set",
                                      "model.heads=2",
                                      "--set",
                                      "evaluation.every=3",
                                      "--set",
                                      "train.threads=1"};
    if (name.starts_with("ngram")) words.insert(words.end(), {"--set", "model.ngram_rows=64"});
    return words;
  }
};

TEST_F(Ablate, TrainsEveryArmAndReports) {
  const ProgramResult result = run_program(command("a"));
  ASSERT_EQ(result.code, 0) << result.err;
  const std::string report = read_file(fs::path(in_folder("a")) / "report.md");
  EXPECT_EQ(result.out, report);
  EXPECT_THAT(report, HasSubstr("the order of the data (yes"));
  EXPECT_THAT(report, HasSubstr("0.3 lowers the held-out loss against none: **"));
  const auto json = nlohmann::json::parse(read_file(fs::path(in_folder("a")) / "report.json"));
  ASSERT_EQ(json["arms"].size(), 3u);
  for (const auto& arm : json["arms"]) {
    EXPECT_EQ(arm["runs"].size(), 2u);
    EXPECT_EQ(arm["runs"][0]["order_hash"], json["arms"][0]["runs"][0]["order_hash"]);
    EXPECT_EQ(arm["runs"][0]["initial_hashes"], json["arms"][0]["runs"][0]["initial_hashes"]);
    EXPECT_NE(arm["runs"][0]["order_hash"], arm["runs"][1]["order_hash"]) << "another seed";
  }
  for (const char* axis : {"step", "flop", "second", "parameter", "byte"})
    EXPECT_TRUE(fs::exists(fs::path(in_folder("a")) / fmt::format("loss-by-{}.svg", axis)));

  // The hashes are what the runs recorded.
  const fs::path run = fs::path(in_folder("a")) / "runs" / "0.3-seed-2";
  const auto state =
      nlohmann::json::parse(read_file(run / "checkpoints" / "step-000006" / "state.json"));
  EXPECT_EQ(json["arms"][1]["runs"][1]["order_hash"], state["data_hash"]);
  const auto environment = nlohmann::json::parse(read_file(run / "env.json"));
  EXPECT_EQ(json["arms"][1]["runs"][1]["initial_hashes"].size(),
            environment["initial_weights"].size());

  // A second start finds everything done; a missing training is made again, with the same result.
  fs::remove_all(fs::path(in_folder("a")) / "runs" / "0.3-seed-2");
  const ProgramResult again = run_program(command("a"));
  ASSERT_EQ(again.code, 0) << again.err;
  const auto redone = nlohmann::json::parse(read_file(fs::path(in_folder("a")) / "report.json"));
  EXPECT_EQ(redone["arms"][1]["runs"][1]["evaluations"], json["arms"][1]["runs"][1]["evaluations"]);
  EXPECT_EQ(redone["arms"][0]["runs"], json["arms"][0]["runs"]) << "not trained again";
}

TEST_F(Ablate, EveryNameThatIsNotOfSettingsAlone) {
  struct Expected {
    const char* name;
    size_t arms, trained;
    const char* sentence;
  };
  for (const auto& [name, arms, trained, sentence] :
       {Expected{"compression", 14, 1, "lll-kbest-3 lowers the held-out loss against gptq-3: **"},
        Expected{"baseline", 6, 1, "model lowers the held-out loss against kn-6: **refuted**"},
        Expected{"width", 5, 3, "128-pca-64 lowers the held-out loss against 128-slice-64: **"},
        Expected{"tile-order", 2, 2, "hilbert takes less time per token than straight: **"},
        Expected{"token-order", 2, 2, "sorted takes less time per token than batch: **"},
        Expected{"shortlist", 7, 1,
                 "signs-128 chooses a token in less time than whole-head: **"}}) {
    std::vector<std::string> words = command(name, name);
    if (std::string(name) == "shortlist")
      words.insert(words.end(),
                   {"--set", "tokenizer.kind=bpe", "--set", "tokenizer.vocabulary_size=600"});
    const ProgramResult result = run_program(words);
    ASSERT_EQ(result.code, 0) << result.err;
    EXPECT_THAT(result.out, HasSubstr(sentence));
    const auto json = nlohmann::json::parse(read_file(fs::path(in_folder(name)) / "report.json"));
    EXPECT_EQ(json["arms"].size(), arms);
    EXPECT_EQ(std::ranges::distance(fs::directory_iterator(fs::path(in_folder(name)) / "runs")),
              static_cast<std::ptrdiff_t>(2 * trained));
    for (const auto& claim : json["claims"])
      EXPECT_TRUE(claim.contains("verdict")) << claim;
    const ProgramResult again = run_program(words);
    EXPECT_EQ(again.out, result.out) << "nothing is made again";
  }
}

TEST_F(Ablate, ABudgetDecidesTheSteps) {
  std::vector<std::string> words = command("b");
  // So little that it gives one step on any machine, where --steps says 6.
  words.insert(words.end(), {"--budget", "0.000001s"});
  const ProgramResult result = run_program(words);
  ASSERT_EQ(result.code, 0) << result.err;
  const auto json = nlohmann::json::parse(read_file(fs::path(in_folder("b")) / "report.json"));
  EXPECT_EQ(read_file(fs::path(in_folder("b")) / "steps"), json["steps"].dump() + "\n");
  EXPECT_EQ(json["steps"], 1);
  for (const auto& arm : json["arms"])
    EXPECT_EQ(arm["runs"][0]["evaluations"].back()["step"], json["steps"]);
  EXPECT_FALSE(fs::exists(fs::path(in_folder("b")) / "probe"));
  words.back() = "2s";
  EXPECT_EQ(run_program(words).code, 2) << "another budget is another ablation";
}

TEST_F(Ablate, TheDefaultFolderIsNamedAfterTheTechnique) {
  std::vector<std::string> words = command("a", "token-order");
  const auto out = std::ranges::find(words, "--out");
  words.erase(out, out + 2);
  const ProgramOptions options{.folder = folder_.string()};
  const ProgramResult result = run_program(words, options);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_EQ(read_file(in_folder("runs/ablation-token-order/report.md")), result.out);
  EXPECT_EQ(run_program(words, options).out, result.out) << "nothing is made again";
  words.insert(words.end(), {"--set", "optimizer.weight_decay=0.2"});
  EXPECT_THAT(run_program(words, options).err,
              HasSubstr("runs/ablation-token-order: holds an ablation of other settings"));
}

TEST_F(Ablate, RefusesWhatIsNotItsOwn) {
  std::vector<std::string> words = command("c");
  ASSERT_EQ(run_program(words).code, 0);
  words.insert(words.end(), {"--set", "optimizer.weight_decay=0.2"});
  ProgramResult result = run_program(words);
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("holds an ablation of other settings"));
  fs::create_directories(in_folder("d"));
  write_file(in_folder("d/mine.txt"), "mine");
  result = run_program(command("d"));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("is not empty"));
  for (const char* setting : {"parallel.mode=auto", "evaluation.patience=2"}) {
    words = command("f");
    words.insert(words.end(), {"--set", setting});
    EXPECT_EQ(run_program(words).code, 2) << setting;
  }
  words = command("g");
  words.insert(words.end(), {"--set", "data.validation_fraction=0"});
  result = run_program(words);
  EXPECT_EQ(result.code, 3);
  EXPECT_THAT(result.err, HasSubstr("has no held-out loss at step 6"));
  result = run_program(command("h", "shortlist"));
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("128 candidates are a choice only of more tokens"));
  EXPECT_FALSE(fs::exists(in_folder("h"))) << "refused before anything was trained";
  result = run_program({"ablate", "nothing", "--out", in_folder("e")});
  EXPECT_EQ(result.code, 2);
  EXPECT_THAT(result.err, HasSubstr("there is no ablation 'nothing'"));
}

class KilledAblate : public Ablate {
 protected:
  // The report without its folder's name and without times.
  nlohmann::json report_of(const std::string& out) const {
    nlohmann::json report = nlohmann::json::parse(read_file(in_folder(out + "/report.json")));
    report.erase("command");
    for (auto& claim : report["claims"])
      if (claim["quantity"] == "seconds") claim = "of times";
    for (auto& arm : report["arms"]) {
      arm.erase("seconds");
      for (auto& run : arm["runs"])
        run["figures"].erase("seconds");
    }
    return report;
  }
  static std::vector<std::string> with(std::vector<std::string> words, const std::string& option,
                                       const std::string& value) {
    *(std::ranges::find(words, option) + 1) = value;
    return words;
  }
  // Kills the command soon after it has come to its first arm, its arm 1 + stride, and so on, until
  // it ends before that. How many times.
  int kill_at_arms(const std::vector<std::string>& words, int64_t stride) {
    const Philox random(3, RandomStream::kTest);
    int kills = 0;
    for (int64_t arm = 1;; arm += stride) {
      RunningProgram program(words);
      wait_until([&] { return !program.runs() || arms_begun(program.err()) >= arm; });
      std::this_thread::sleep_for(
          std::chrono::microseconds(random.below(15'000, 0, static_cast<uint64_t>(arm))));
      program.signal(SIGKILL);
      const ProgramResult result = program.wait();
      if (result.code != 128 + SIGKILL) {
        EXPECT_EQ(result.code, 0) << result.err;
        return kills;
      }
      ++kills;
    }
  }
  // Each is told in a line, also one that an earlier start has finished.
  static int64_t arms_begun(const std::string& messages) {
    int64_t count = 0;
    for (size_t at = messages.find(" with seed "); at != std::string::npos;
         at = messages.find(" with seed ", at + 1))
      ++count;
    return count;
  }
};

TEST_F(KilledAblate, TrainedArmsEndInTheSameReport) {
  ASSERT_EQ(run_program(with(command("straight", "token-order"), "--steps", "30")).code, 0);
  const std::vector<std::string> words = with(command("killed", "token-order"), "--steps", "30");
  // Before there is an arm: as the folder is claimed, or the text is read.
  for (const int milliseconds : {5, 12, 20, 35}) {
    RunningProgram program(words);
    std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
    program.signal(SIGKILL);
    program.wait();
  }
  EXPECT_GE(kill_at_arms(words, 1), 2);
  EXPECT_EQ(report_of("killed"), report_of("straight"));
  for (const char* run : {"batch-seed-1", "batch-seed-2", "sorted-seed-1", "sorted-seed-2"}) {
    const std::string last = fmt::format("/runs/{}/checkpoints/step-000030", run);
    EXPECT_EQ(snapshot(in_folder("killed" + last)), snapshot(in_folder("straight" + last))) << run;
  }
  EXPECT_THAT(leftovers(in_folder("killed")), testing::IsEmpty());
}

TEST_F(KilledAblate, CompressedArmsEndInTheSameBytes) {
  ASSERT_EQ(run_program(with(command("straight", "compression"), "--seeds", "1")).code, 0);
  EXPECT_GE(kill_at_arms(with(command("killed", "compression"), "--seeds", "1"), 3), 2);
  EXPECT_EQ(report_of("killed"), report_of("straight"));
  EXPECT_EQ(snapshot(in_folder("killed/derived")), snapshot(in_folder("straight/derived")));
  EXPECT_THAT(leftovers(in_folder("killed")), testing::IsEmpty());
}

}  // namespace
}  // namespace cllm::cli
