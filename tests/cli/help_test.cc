#include "base/settings.h"
#include "cli/tiny_run.h"
#include "train/run.h"
#include "train/settings.h"

namespace cllm::cli {
namespace {

const std::vector<std::string> kCommands = {
    "train", "resume",    "generate", "eval",   "plan",    "report", "tokenizer",
    "data",  "gradcheck", "bench",    "primes", "lattice", "info",   "version",
    "help",  "compress",  "resize",   "export", "ablate"};

TEST(Help, ProgramAloneListsAllCommands) {
  const ProgramResult result = run_program({});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
  for (const std::string& command : kCommands)
    EXPECT_TRUE(contains(result.out, "\n  " + command + " ")) << command;
  EXPECT_EQ(run_program({"--help"}).out, result.out);
  EXPECT_EQ(run_program({"help"}).out, result.out);
}

TEST(Help, EveryCommandShowsExamplesFirst) {
  std::vector<std::vector<std::string>> commands;
  for (const std::string& command : kCommands)
    commands.push_back({command});
  for (const char* name : {"train", "encode", "decode", "inspect", "factor"})
    commands.push_back({"tokenizer", name});
  for (const char* name : {"limits", "gemm", "ops", "step", "locality", "generate", "shortlist",
                           "compare", "peers", "staircase"})
    commands.push_back({"bench", name});
  for (const char* name : {"count", "list", "nth", "factor", "spiral"})
    commands.push_back({"primes", name});
  for (const char* name : {"generate", "reduce", "svp", "cvp", "kissing", "decode", "verify"})
    commands.push_back({"lattice", name});
  for (const char* name : {"prepare", "inspect", "stories", "score"})
    commands.push_back({"data", name});
  for (const std::vector<std::string>& command : commands) {
    std::vector<std::string> words = command;
    words.emplace_back("--help");
    const ProgramResult result = run_program(words);
    EXPECT_EQ(result.code, 0) << result.err;
    const size_t examples = result.out.find("Examples:\n");
    const size_t usage = result.out.find("Usage: cllm " + command.front());
    EXPECT_LT(examples, usage) << result.out;
    EXPECT_NE(usage, std::string::npos) << result.out;
    words = command;
    words.insert(words.begin(), "help");
    EXPECT_EQ(run_program(words).out, result.out);
    words = command;
    words.emplace_back("-h");
    EXPECT_EQ(run_program(words).out, result.out);
  }
}

TEST(Help, ResumeKeepsWhatTheRunHas) {
  const std::string help = run_program({"resume", "--help"}).out;
  EXPECT_TRUE(contains(help, "default the run's")) << help;
  EXPECT_FALSE(contains(help, "default 1000")) << help;
}

TEST(Help, ResumeNamesWhatMayChange) {
  const std::string help = run_program({"resume", "--help"}).out;
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  for (const std::string& key : binder.keys()) {
    if (!may_change_on_resume(key)) continue;
    const size_t dot = key.find('.');
    const bool apart = key.starts_with("train.") || key.starts_with("precision.");
    EXPECT_TRUE(contains(help, apart ? key.substr(dot + 1) : key.substr(0, dot))) << key;
  }
}

TEST(Help, SettingsListsEverySetting) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  const ProgramResult result = run_program({"help", "settings"});
  EXPECT_EQ(result.code, 0);
  for (const std::string& key : binder.keys())
    EXPECT_TRUE(contains(result.out, "  " + key + "=")) << key;
}

TEST(Usage, MistypedNamesGetASuggestion) {
  expect_error(run_program({"trian"}), 2, "did you mean 'train'?");
  expect_error(run_program({"tokenizer", "encod", "x"}), 2, "did you mean 'encode'?");
  expect_error(run_program({"train", "--stpes", "3", "--out", "x"}), 2, "did you mean '--steps'?");
  expect_error(run_program({"generate", "x", "--temprature=1"}), 2,
               "did you mean '--temperature'?");
  expect_error(run_program({"help", "gradchek"}), 2, "did you mean 'gradcheck'?");
  expect_error(run_program({"train", "--preset", "dmo", "--out", "x"}), 2, "did you mean 'demo'?");
  expect_error(run_program({"train", "--set", "model.widht=3", "--out", "x"}), 2,
               "did you mean 'model.width'?");
  expect_error(run_program({"train", "--lr-scheduler", "cosin", "--out", "x"}), 2,
               "did you mean 'cosine'?");
}

TEST(Usage, MistakesAreOneLineAndExitWithTwo) {
  expect_error(run_program({"frobnicate"}), 2, "unknown command 'frobnicate'");
  expect_error(run_program({"train"}), 2, "--out is required");
  expect_error(run_program({"generate"}), 2, "RUN is required");
  expect_error(run_program({"tokenizer"}), 2, "train, encode, decode, inspect, factor");
  expect_error(run_program({"version", "extra"}), 2, "'extra'");
  expect_error(run_program({"train", "--steps"}), 2, "--steps");
  expect_error(run_program({"train", "--steps", "0", "--out", "x"}), 2, ">= 1");
  expect_error(run_program({"train", "--steps", "many", "--out", "x"}), 2, "integer");
  expect_error(run_program({"train", "--color", "pink", "--out", "x"}), 2, "pink");
  expect_error(run_program({"train", "--out", "x"}), 2, "--data");
}

TEST(Usage, CommonOptionsWorkBeforeAndAfterTheCommand) {
  const nlohmann::json after = parse_json(run_program({"version", "--json"}));
  EXPECT_EQ(parse_json(run_program({"--json", "version"})), after);
}

TEST(Color, OnlyOnRequestWhenThereIsNoTerminal) {
  EXPECT_FALSE(contains(run_program({"generate", "nowhere"}).err, "\x1b["));
  EXPECT_TRUE(contains(run_program({"generate", "nowhere", "--color", "always"}).err, "\x1b["));
  EXPECT_FALSE(contains(
      run_program({"generate", "nowhere", "--color", "never"}, {.environment = {"NO_COLOR"}}).err,
      "\x1b["));
}

}  // namespace
}  // namespace cllm::cli
