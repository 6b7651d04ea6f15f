// cllm eval --baseline: beside a model, and alone.
#include <algorithm>
#include <cmath>

#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

class EvalBaseline : public CommandTest {
 protected:
  // A text of stories: regular enough that two orders differ.
  std::string stories(const std::string& bytes = "60k") {
    const std::string path = in_folder("stories.txt");
    write_file(path, run_program({"data", "stories", "--bytes", bytes}).out);
    return path;
  }
  static json row(const json& baseline, const std::string& name, const std::string& history) {
    for (const json& measured : baseline.at("measured"))
      if (measured.at("name") == name && measured.at("history") == history) return measured;
    ADD_FAILURE() << name << " in the " << history << ": " << baseline;
    return {};
  }
};

TEST_F(EvalBaseline, IsMeasuredOnTheWindowsOfTheModel) {
  const std::string run = make_run();
  const json plain = parse_json(run_program({"eval", run, "--json"}));
  EXPECT_FALSE(plain.contains("baseline"));
  const json both =
      parse_json(run_program({"eval", run, "--baseline", "kn", "--order", "4", "--json"}));
  EXPECT_EQ(both["loss"], plain["loss"]) << "the baseline changes nothing";
  EXPECT_EQ(both["baseline"]["order"], 4);
  EXPECT_GT(both["baseline"]["fitted_tokens"], 29000) << "the run's 30,000 bytes";
  for (const char* name : {"modified Kneser-Ney", "Kneser-Ney"}) {
    const json windows = row(both["baseline"], name, "window");
    EXPECT_EQ(windows["tokens"], plain["tokens"]);
    EXPECT_EQ(windows["bytes"], plain["bytes"]);
    EXPECT_LT(windows["loss"], plain["loss"]) << "12 steps are not enough to be better";
    const json text = row(both["baseline"], name, "text");
    EXPECT_GT(text["tokens"], windows["tokens"]);
    EXPECT_NEAR(text["nats_per_byte"].get<double>() * text["bytes"].get<double>(),
                text["loss"].get<double>() * text["tokens"].get<double>(), 1e-6);
  }
  const json together = row(both["baseline"], "the model and modified Kneser-Ney", "window");
  EXPECT_EQ(together["tokens"], plain["tokens"]);
  // 12 steps have nothing to add: a weight near 0, which costs next to nothing.
  EXPECT_LT(together["loss"].get<double>(),
            row(both["baseline"], "modified Kneser-Ney", "window")["loss"].get<double>() + 1e-5);
  for (const json& weight : both["baseline"]["mixture_weights"]) {
    EXPECT_GE(weight, 0);
    EXPECT_LE(weight, 1);
  }
  // A part of the windows is the same part for both.
  const json part = parse_json(run_program(
      {"eval", run, "--baseline", "kn", "--windows", "3", "--batch-size", "1", "--json"}));
  EXPECT_EQ(part["tokens"], 3 * 32);
  EXPECT_EQ(row(part["baseline"], "Kneser-Ney", "window")["tokens"], 3 * 32);
}

TEST_F(EvalBaseline, ATextOfItsOwnIsNotFitted) {
  const std::string run = make_run();
  const json result =
      parse_json(run_program({"eval", run, "--baseline", "kn", "--data", stories("5k"), "--json"}));
  EXPECT_GT(result["baseline"]["fitted_tokens"], 29000);
  EXPECT_EQ(row(result["baseline"], "Kneser-Ney", "window")["tokens"], result["tokens"]);
}

TEST_F(EvalBaseline, NeedsNoModel) {
  const std::string text = stories();
  const auto measure = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"eval", "--baseline", "kn", "--data", text, "--json"};
    command.insert(command.end(), more.begin(), more.end());
    return parse_json(run_program(command))["baseline"];
  };
  const json six = measure({});
  EXPECT_EQ(six["order"], 6);
  EXPECT_EQ(six["measured"].size(), 2) << "no windows without a length";
  const json long_history = row(six, "modified Kneser-Ney", "text");
  // All but the first of the last tenth.
  const auto tokens = long_history["tokens"].get<double>();
  EXPECT_NEAR(six["fitted_tokens"].get<double>() / (tokens + 1), 9, 0.01);
  EXPECT_LT(long_history["loss"],
            row(measure({"--order", "2"}), "modified Kneser-Ney", "text")["loss"]);
  const json in_windows = measure({"--context-length", "8"});
  EXPECT_GT(row(in_windows, "modified Kneser-Ney", "window")["loss"], long_history["loss"])
      << "short windows hide history";
  EXPECT_EQ(row(in_windows, "modified Kneser-Ney", "text"), long_history);
}

TEST_F(EvalBaseline, PrintsATable) {
  const ProgramResult alone = run_program({"eval", "--baseline", "kn", "--data", stories()});
  EXPECT_EQ(alone.code, 0) << alone.err;
  EXPECT_TRUE(contains(alone.out, "order 6, fitted on ")) << alone.out;
  EXPECT_FALSE(contains(alone.out, "the model")) << alone.out;
  const ProgramResult beside = run_program({"eval", make_run(), "--baseline", "kn"});
  EXPECT_EQ(beside.code, 0) << beside.err;
  EXPECT_TRUE(contains(beside.out, "\nthe model ")) << beside.out;
  EXPECT_TRUE(contains(beside.out, "windows of 32")) << beside.out;
}

TEST_F(EvalBaseline, RefusesWhatMeansNothing) {
  const std::string text = stories("3k"), run = make_run();
  expect_error(run_program({"eval"}), 2, "RUN: is missing");
  expect_error(run_program({"eval", "--baseline", "kn"}), 2, "--data PATH");
  expect_error(run_program({"eval", "--data", text}), 2, "RUN: is missing");
  expect_error(run_program({"eval", run, "--order", "3"}), 2, "--baseline");
  expect_error(run_program({"eval", run, "--baseline", "kn", "--order", "0"}), 2, "--order");
  expect_error(run_program({"eval", run, "--baseline", "katz"}), 2, "--baseline");
  const auto alone = [&](const char* option) {
    return run_program({"eval", "--baseline", "kn", "--data", text, option, "2"});
  };
  expect_error(alone("--threads"), 2, "--threads: changes nothing without RUN");
  for (const std::string option : {"--windows", "--batch-size"})
    expect_error(alone(option.c_str()), 2, option + ": changes nothing without --context-length N");
  fs::copy(run + "/best/", in_folder("model"));
  const ProgramResult no_run =
      run_program({"eval", in_folder("model"), "--baseline", "kn", "--data", text, "--quiet"});
  expect_error(no_run, 2, "is no run, so it has no training text to fit the baseline to");
}

}  // namespace
}  // namespace cllm::cli
