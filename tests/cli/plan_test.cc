// cllm plan: the numbers of a run before it is started.
#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

using Plan = CommandTest;

TEST_F(Plan, TellsWhatTrainingThenNeeds) {
  std::vector<std::string> command = tiny_training(in_folder("run"));
  ASSERT_EQ(run_program(command).code, 0);
  const json environment = json::parse(read_file(in_folder("run") + "/env.json"));
  command.front() = "plan";
  command.erase(command.end() - 2, command.end());  // --out RUN
  command.emplace_back("--json");
  const json plan = parse_json(run_program(command));
  EXPECT_EQ(plan["parameters"], environment["parameters"]);
  EXPECT_EQ(plan["memory"]["total"], environment["planned_bytes"]);
  EXPECT_EQ(plan["memory"]["fits"], true);
  int64_t sum = 0;
  for (const auto& [part, count] : plan["parameters_by_part"].items())
    sum += count.get<int64_t>();
  EXPECT_EQ(plan["parameters"], sum);
  EXPECT_EQ(plan["tokens_per_step"], 4 * 32);
  EXPECT_GT(plan["time"]["tokens_per_second"], 0);
}

TEST_F(Plan, CountsTheMemoryOfSamples) {
  const std::vector<std::string> command = {"plan", "--preset", "demo", "--no-timing", "--json"};
  const json memory = parse_json(run_program(command))["memory"];
  EXPECT_GT(memory["sampling"], 0);
  std::vector<std::string> without = command;
  without.insert(without.end(), {"--set", "sample.every=0"});
  const json less = parse_json(run_program(without))["memory"];
  EXPECT_EQ(less["sampling"], 0);
  EXPECT_EQ(memory["total"], less["total"].get<int64_t>() + memory["sampling"].get<int64_t>());
}

TEST_F(Plan, TellsTheMemoryOfEachRecomputeLevel) {
  const std::vector<std::string> command = {"plan", "--preset", "demo", "--no-timing"};
  const auto at_level = [&](const char* level) {
    std::vector<std::string> words = command;
    words.insert(words.end(), {"--set", std::string("train.recompute=") + level, "--json"});
    return parse_json(run_program(words));
  };
  const json levels = at_level("cheap")["recompute"];
  ASSERT_EQ(levels.size(), 3u);
  for (const json& level : levels) {
    const auto name = level["level"].get<std::string>();
    EXPECT_EQ(level["chosen"], name == "cheap");
    EXPECT_EQ(level["fits"], true);
    const json memory = at_level(name.c_str())["memory"];
    EXPECT_EQ(level["total"], memory["total"]) << name;
    EXPECT_EQ(level["activations"], memory["activations"]) << name;
  }
  EXPECT_GT(levels[0]["total"], levels[1]["total"]);
  EXPECT_GT(levels[1]["total"], levels[2]["total"]);
  const std::string text = run_program(command).out;
  const size_t none = text.find("\n  none "), cheap = text.find("\n  cheap ");
  ASSERT_TRUE(none < cheap && cheap < text.size()) << text;
  EXPECT_TRUE(contains(text.substr(none, cheap - none), "chosen")) << text;
  EXPECT_FALSE(contains(text.substr(cheap), "chosen")) << text;
}

// So many shards that their gradients fit nowhere, and no work that would not.
TEST_F(Plan, AutoComesToWhatFits) {
  const std::vector<std::string> command = {"plan",
                                            "--preset",
                                            "nano",
                                            "--no-timing",
                                            "--batch-size",
                                            "1024",
                                            "--json",
                                            "--set",
                                            "parallel.shards=1024",
                                            "--set",
                                            "sample.every=0",
                                            "--set",
                                            "model.context_length=4",
                                            "--set",
                                            "model.vocabulary_size=300"};
  const auto plan = [&](const std::string& mode, int64_t layers) {
    std::vector<std::string> words = command;
    words.insert(words.end(), {"--set", "parallel.mode=" + mode, "--set",
                               "model.layers=" + std::to_string(layers)});
    return run_program(words);
  };
  const json one = parse_json(plan("operation", 1));
  const auto available = one["memory"]["available"].get<double>();
  const auto arena = parse_json(plan("operation", 2))["memory"]["weights"].get<double>() -
                     one["memory"]["weights"].get<double>();
  const auto layers = static_cast<int64_t>(available / 1024 / arena) + 2;
  const ProgramResult batch = plan("batch", layers), open = plan("auto", layers);
  EXPECT_EQ(batch.code, 5) << batch.err;
  EXPECT_EQ(open.code, 0) << open.err;
  EXPECT_TRUE(contains(open.err, "parallel.mode = auto will be operation")) << open.err;
  EXPECT_EQ(json::parse(open.out)["memory"]["total"],
            parse_json(plan("operation", layers))["memory"]["total"]);
}

TEST_F(Plan, RefusesSettingsThatTrainWouldRefuse) {
  expect_error(run_program({"plan", "--preset", "demo", "--no-timing", "--set",
                            "schedule.min_learning_rate=1"}),
               2, "schedule.min_learning_rate: 1 is above");
}

TEST_F(Plan, StatesAnAssumedVocabulary) {
  const ProgramResult result = run_program({"plan", "--preset", "demo", "--no-timing"});
  EXPECT_EQ(result.code, 0);
  EXPECT_TRUE(contains(result.out, "8192 (assumed")) << result.out;
  EXPECT_FALSE(contains(result.out, "time per step")) << result.out;
}

// A tokenizer tells the primes of a composite embedding even where the vocabulary's size is given;
// without one, their number must be, and what depends on the tokens' primes is called an estimate.
TEST_F(Plan, SaysWhatOfACompositeEmbeddingIsAnEstimate) {
  const std::string vocabulary = in_folder("bpe");
  ASSERT_EQ(run_program({"tokenizer", "train", "--data", "stories", "--kind", "bpe",
                         "--vocabulary-size", "600", "--out", vocabulary})
                .code,
            0);
  const auto plan = [&](const std::vector<std::string>& more) {
    std::vector<std::string> words = {"plan",        "--preset", "nano",
                                      "--no-timing", "--set",    "model.embedding=composite"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  };
  json told = parse_json(run_program(plan({"--set", "tokenizer.path=" + vocabulary, "--json"})));
  EXPECT_TRUE(told["estimate"].is_null());
  EXPECT_EQ(told["vocabulary_size"], 600);
  const json given = parse_json(run_program(plan(
      {"--set", "tokenizer.path=" + vocabulary, "--set", "model.vocabulary_size=600", "--json"})));
  told["vocabulary_origin"] = given["vocabulary_origin"];
  told["memory"]["available"] = given["memory"]["available"];
  EXPECT_EQ(given, told);
  expect_error(run_program(plan({"--set", "tokenizer.path=" + vocabulary, "--set",
                                 "model.vocabulary_size=500"})),
               2, "500 is below the tokenizer's 600");
  expect_error(run_program(plan({"--set", "model.vocabulary_size=600"})), 2,
               "model.embedding_primes: how many primes there will be depends");
  const int64_t primes = told["parameters_by_part"]["token embedding"].get<int64_t>() / 128;
  const std::vector<std::string> guessed =
      plan({"--set", "model.vocabulary_size=600", "--set",
            "model.embedding_primes=" + std::to_string(primes)});
  const ProgramResult text = run_program(guessed);
  EXPECT_TRUE(contains(text.out, "\nestimated            work and time, with 6 primes"))
      << text.out;
  std::vector<std::string> as_json = guessed;
  as_json.emplace_back("--json");
  const json estimated = parse_json(run_program(as_json));
  EXPECT_TRUE(contains(estimated["estimate"], "work and time")) << estimated;
  EXPECT_EQ(estimated["parameters"], told["parameters"]);
  EXPECT_EQ(estimated["memory"]["total"], told["memory"]["total"]);
}

TEST_F(Plan, ShowsTheNumbersOfWhatDoesNotFit) {
  const ProgramResult result = run_program({"plan", "--preset", "gpt2", "--batch-size", "1048576",
                                            "--set", "model.vocabulary_size=300", "--json"});
  EXPECT_EQ(result.code, 5) << result.err;
  EXPECT_EQ(json::parse(result.out)["memory"]["fits"], false);
  EXPECT_TRUE(contains(result.err, "choose a smaller")) << result.err;
}

}  // namespace
}  // namespace cllm::cli
