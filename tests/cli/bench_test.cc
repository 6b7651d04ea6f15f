#include <gmock/gmock.h>

#include <nlohmann/json.hpp>

#include "base/file.h"
#include "cli/program.h"
#include "temporary_folder.h"
#include "text/tokenizer.h"

namespace cllm::cli {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

using BenchCommand = TemporaryFolder;

// Quick, and with few results.
const std::vector<std::string> kQuick = {"bench",  "ops",       "--preset", "nano",     "--only",
                                         "rotary", "--threads", "1",        "--rounds", "5"};

std::vector<std::string> with(std::vector<std::string> words,
                              const std::vector<std::string>& more) {
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// A copy of a report whose samples are multiplied by `factor`.
void doctor(const fs::path& from, const fs::path& to, double factor) {
  ordered_json report = ordered_json::parse(read_file(from));
  for (ordered_json& result : report.at("results"))
    for (ordered_json& sample : result.at("samples"))
      sample = sample.get<double>() * factor;
  write_file(to, report.dump());
}

TEST_F(BenchCommand, SavesWhatItPrintsAsJson) {
  const std::string path = (folder_ / "a.json").string();
  const ProgramResult result = run_program(with(kQuick, {"--json", "--save", path}));
  ASSERT_EQ(result.code, 0) << result.err;
  const ordered_json report = ordered_json::parse(result.out);
  EXPECT_EQ(report, ordered_json::parse(read_file(path)));
  EXPECT_EQ(report.at("benchmark"), "ops");
  EXPECT_EQ(report.at("machine").at("threads"), 1);
  EXPECT_EQ(report.at("settings").at("arguments"),
            ordered_json({"ops", "--rounds=5", "--threads=1", "--preset=nano", "--only=rotary"}));
  ASSERT_EQ(report.at("results").size(), 1u);
  EXPECT_EQ(report.at("results").at(0).at("name"), "nano rotary");
  EXPECT_EQ(report.at("results").at(0).at("samples").size(), 5u);
}

TEST_F(BenchCommand, PrintsATableWithTheMachineAboveIt) {
  const ProgramResult result = run_program(kQuick);
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("1 thread on "));
  EXPECT_THAT(result.out, HasSubstr("\nnano rotary "));
}

TEST_F(BenchCommand, LocalityTakesZipfsLawOrATextWithItsTokenizer) {
  const std::vector<std::string> rows = {"bench",     "locality",    "--part",    "rows",
                                         "--width=8", "--threads=1", "--rounds=1"};
  const ProgramResult zipf = run_program(with(rows, {"--vocabulary=100", "--batch=128", "--json"}));
  ASSERT_EQ(zipf.code, 0) << zipf.err;
  EXPECT_EQ(ordered_json::parse(zipf.out).at("results").size(), 2u * 5 * 3);
  const std::string text = (folder_ / "text.txt").string(), tokens = (folder_ / "t.json").string();
  write_file(text, std::string(200, 'a') + std::string(100, 'b'));
  Tokenizer::byte().save(tokens);
  const ProgramResult given =
      run_program(with(rows, {"--data", text, "--tokenizer", tokens, "--batch=128"}));
  ASSERT_EQ(given.code, 0) << given.err;
  EXPECT_THAT(given.out, HasSubstr("identity"));
  EXPECT_THAT(given.out, HasSubstr("300 tokens of a vocabulary of 257, in batches of 128."));
  const ProgramResult alone = run_program(with(rows, {"--data", text}));
  EXPECT_EQ(alone.code, 2);
  EXPECT_THAT(alone.err, HasSubstr("text and tokenizer belong together"));
  EXPECT_EQ(run_program(with(rows, {"--data", text, "--tokenizer", tokens, "--batch=400"})).code,
            2);
}

TEST_F(BenchCommand, CompareFlagsADoctoredBaseAndNotItself) {
  const fs::path base = folder_ / "base.json", faster = folder_ / "faster.json";
  ASSERT_EQ(run_program(with(kQuick, {"--save", base.string()})).code, 0);
  doctor(base, faster, 0.01);  // as if it had been a hundred times as fast
  const ProgramResult same = run_program({"bench", "compare", base.string(), base.string()});
  EXPECT_EQ(same.code, 0) << same.out << same.err;
  const ProgramResult slower =
      run_program({"bench", "compare", faster.string(), base.string(), "--json"});
  EXPECT_EQ(slower.code, 1) << slower.err;
  const ordered_json json = ordered_json::parse(slower.out);
  EXPECT_EQ(json.at("regressions"), 1);
  EXPECT_EQ(json.at("changes").at(0).at("regression"), true);
  EXPECT_LT(json.at("changes").at(0).at("gain").get<double>(), -1);
  const ProgramResult better = run_program({"bench", "compare", base.string(), faster.string()});
  EXPECT_EQ(better.code, 0);
  EXPECT_THAT(better.out, HasSubstr("better"));
}

TEST_F(BenchCommand, CompareRunsTheBenchmarkAgain) {
  const fs::path base = folder_ / "base.json", changed = folder_ / "changed.json";
  ASSERT_EQ(run_program(with(kQuick, {"--save", base.string()})).code, 0);
  // 50 times is far beyond what a busy machine does to a figure.
  doctor(base, changed, 50);
  const ProgramResult better = run_program({"bench", "compare", changed.string()});
  EXPECT_EQ(better.code, 0) << better.out << better.err;
  EXPECT_THAT(better.out, HasSubstr("nano rotary"));
  doctor(base, changed, 0.02);
  const ProgramResult worse = run_program({"bench", "compare", changed.string()});
  EXPECT_EQ(worse.code, 1) << worse.out << worse.err;
  EXPECT_THAT(worse.out, HasSubstr("REGRESSION"));
  EXPECT_THAT(worse.err, HasSubstr("measuring once more"));
}

TEST_F(BenchCommand, CompareRefusesOtherMachinesUnlessForced) {
  const fs::path base = folder_ / "base.json", other = folder_ / "other.json";
  ASSERT_EQ(run_program(with(kQuick, {"--save", base.string()})).code, 0);
  ordered_json report = ordered_json::parse(read_file(base));
  report.at("machine").at("cpu") = "another";
  write_file(other, report.dump());
  const ProgramResult refused = run_program({"bench", "compare", base.string(), other.string()});
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.err, HasSubstr("against another"));
  EXPECT_EQ(std::count(refused.err.begin(), refused.err.end(), '\n'), 1);
  EXPECT_EQ(run_program({"bench", "compare", base.string(), other.string(), "--force"}).code, 0);
}

TEST_F(BenchCommand, BadFilesAreOneLine) {
  write_file(folder_ / "bad.json", "{]");
  for (const std::string& path : {(folder_ / "bad.json").string(), (folder_ / "none").string()}) {
    const ProgramResult result = run_program({"bench", "compare", path});
    EXPECT_EQ(result.code, 3);
    EXPECT_THAT(result.err, HasSubstr(path));
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
}

TEST_F(BenchCommand, WrongOptionsAreErrorsBeforeAnyWork) {
  const std::vector<std::vector<std::string>> wrong = {
      {"bench"},
      {"bench", "speed"},
      {"bench", "ops", "--preset", "nanno"},
      {"bench", "ops", "--only", "nothing"},
      {"bench", "gemm", "--only", "nothing"},
      {"bench", "limits", "--rounds", "0"},
      {"bench", "step", "--vary", "train.batch_size"},
      {"bench", "step", "--vary", "train.batch_size="},
      {"bench", "step", "--set", "train.no_such=1"},
      {"bench", "generate", "--tokens", "0"},
      {"bench", "generate", "--weights", "int4"},
      {"bench", "generate", "--batch", "17"},
      {"bench", "shortlist", "--bits", "100"},
      {"bench", "shortlist", "--model", "run"},
      {"bench", "shortlist", "--model", "run", "--preset", "nano"},
      {"bench", "shortlist", "--preset", "nano", "--data", "text.txt"},
      {"bench", "shortlist", "--tokenizer", "t.json"},
      {"bench", "locality", "--part", "products", "--width", "64"},
      {"bench", "locality", "--part", "attention", "--vocabulary", "100"},
      {"bench", "shortlist", "--preset", "nanno"},
      {"bench", "compare"}};
  for (const std::vector<std::string>& words : wrong) {
    const ProgramResult result = run_program(words);
    EXPECT_EQ(result.code, 2) << result.out << result.err;
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  }
}

TEST_F(BenchCommand, StepTakesAnySettingAndVariesIt) {
  const ProgramResult result =
      run_program({"bench", "step", "--preset", "nano", "--set", "model.layers=1", "--set",
                   "train.batch_size=1", "--vary", "model.position=learned,rotary", "--rounds", "1",
                   "--threads", "1", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const ordered_json report = ordered_json::parse(result.out);
  ASSERT_EQ(report.at("results").size(), 2u);
  EXPECT_EQ(report.at("results").at(0).at("name"), "nano, model.position=learned");
  EXPECT_FALSE(report.at("results").at(0).at("time_by_operation").contains("rotary"));
  EXPECT_TRUE(report.at("results").at(1).at("time_by_operation").contains("rotary"));
}

// A case is what its name says, whatever --threads says of the others.
TEST_F(BenchCommand, StepVariesThreadsToo) {
  const ProgramResult result =
      run_program({"bench", "step", "--preset", "nano", "--set", "model.layers=1", "--set",
                   "train.batch_size=1", "--vary", "train.threads=1,2", "--rounds", "1",
                   "--threads", "2", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const ordered_json report = ordered_json::parse(result.out);
  ASSERT_EQ(report.at("results").size(), 2u);
  EXPECT_EQ(report.at("results").at(0).at("name"), "nano, train.threads=1");
  EXPECT_EQ(report.at("results").at(0).at("threads"), 1);
  EXPECT_EQ(report.at("results").at(1).at("threads"), 2);
}

// LeakSanitizer crashes on the threads that OpenBLAS leaves behind; the other checks stay on.
TEST_F(BenchCommand, OpponentsAreRightOrAbsentByName) {
  const ProgramResult result = run_program(
      {"bench", "gemm", "--only", "768x384x128", "--rounds", "1", "--threads", "2", "--json"},
      {.environment = {"ASAN_OPTIONS=detect_leaks=0"}});
  ASSERT_EQ(result.code, 0) << result.err;
  const ordered_json report = ordered_json::parse(result.out);
  EXPECT_EQ(report.at("results").at(0).at("name"), "fwd 768x384x128, ours fp32");
  ASSERT_EQ(report.at("notes").size(), 2u) << report.at("notes");  // one a library, none is wrong
  EXPECT_TRUE(report.at("notes").at(0).get<std::string>().starts_with("OpenBLAS"));
  EXPECT_TRUE(report.at("notes").at(1).get<std::string>().starts_with("oneDNN"));
}

TEST_F(BenchCommand, ResultsAreShownEvenIfTheyCannotBeSaved) {
  const ProgramResult result =
      run_program(with(kQuick, {"--save", (folder_ / "none" / "a.json").string()}));
  EXPECT_EQ(result.code, 1);
  EXPECT_THAT(result.out, HasSubstr("nano rotary"));
  EXPECT_THAT(result.err, HasSubstr("none"));
}

TEST_F(BenchCommand, ShortlistTellsTimesAndRecall) {
  const ProgramResult result =
      run_program({"bench", "shortlist", "--preset", "nano", "--queries", "5", "--candidates", "65",
                   "--candidates", "8", "--bits", "64", "--query-bits", "2", "--rounds", "1",
                   "--threads", "1", "--json"});
  ASSERT_EQ(result.code, 0) << result.err;
  const ordered_json results = ordered_json::parse(result.out).at("results");
  ASSERT_EQ(results.size(), 8u);
  EXPECT_EQ(results.at(0).at("name"), "head");
  EXPECT_EQ(results.at(2).at("name"), "shortlist 65, 64 bits, query 2");
  EXPECT_EQ(results.at(2).at("recall_40_share"), 1) << "all 65 tokens";
  EXPECT_EQ(results.at(3).at("name"), "gcd of ids 65 (control)");
  EXPECT_EQ(results.at(4).at("name"), "first ids 65 (control)");
  EXPECT_LT(results.at(6).at("recall_40_share"), 0.5);
}

TEST_F(BenchCommand, EndsAtAnInterrupt) {
  RunningProgram program({"bench", "step", "--preset", "baby", "--rounds", "1000"});
  ::sleep(1);
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_EQ(result.out, "");
}

}  // namespace
}  // namespace cllm::cli
