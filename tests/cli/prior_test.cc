// A model with a prior in the commands that use it.
#include "cli/tiny_run.h"
#include "crystal/ngram_prior_file.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

class PriorCommands : public CommandTest {
 protected:
  std::vector<std::string> training(const std::string& out) const {
    std::vector<std::string> words = tiny_training(out);
    words.insert(words.end(), {"--set", "model.prior_order=4"});
    return words;
  }
};

TEST_F(PriorCommands, EveryCommandReadsIt) {
  const std::string run = in_folder("run"), small = in_folder("small"),
                    text = in_folder("text.txt");
  const ProgramResult trained = run_program(training(run));
  ASSERT_EQ(trained.code, 0) << trained.err;
  EXPECT_TRUE(contains(trained.err, "the prior: ")) << trained.err;
  write_file(text, run_program({"data", "stories", "--bytes", "8k"}).out);
  const json before =
      parse_json(run_program({"eval", run, "--baseline", "kn", "--order", "4", "--json"}));
  const double counts = before["baseline"]["measured"][0]["loss"].get<double>();
  EXPECT_NEAR(before["loss"].get<double>(), counts, 0.3 * counts) << "it begins at the counts";
  const ProgramResult written = run_program({"generate", run, "--prompt", "The", "--max-tokens",
                                             "20", "--weights", "int8", "--threads", "2"});
  EXPECT_EQ(written.code, 0) << written.err;
  const ProgramResult compressed =
      run_program({"compress", run, "--bits", "6", "--calibration", text, "--method", "gptq",
                   "--threads", "2", "--out", small});
  ASSERT_EQ(compressed.code, 0) << compressed.err;
  EXPECT_EQ(read_file(fs::path(small) / kPriorFile),
            read_file(fs::path(run) / "best" / kPriorFile));
  const json after = parse_json(run_program({"eval", small, "--data", text, "--json"}));
  const json whole = parse_json(run_program({"eval", run, "--data", text, "--json"}));
  EXPECT_NEAR(after["loss"].get<double>(), whole["loss"].get<double>(), 0.02);
  const std::string narrow = in_folder("narrow");
  const ProgramResult resized =
      run_program({"resize", run, "--calibration", text, "--out", narrow});
  ASSERT_EQ(resized.code, 0) << resized.err;
  EXPECT_EQ(read_file(fs::path(narrow) / kPriorFile), read_file(fs::path(small) / kPriorFile));
  EXPECT_EQ(run_program({"eval", narrow, "--data", text}).code, 0);
  expect_error(run_program({"bench", "shortlist", "--quiet", "--model", run, "--data", text}), 2,
               "prior");
  expect_error(run_program({"bench", "step", "--preset", "nano", "--set", "model.prior_order=4"}),
               2, "model.prior_order");
  fs::remove(fs::path(small) / kPriorFile);
  expect_error(run_program({"generate", small}), 3, "prior.safetensors");
}

TEST_F(PriorCommands, ThePlanCountsItsMemory) {
  std::vector<std::string> words = training(in_folder("run"));
  ASSERT_EQ(run_program(words).code, 0);
  const json environment =
      json::parse(read_file(fs::path(in_folder("run")) / "env.json"), nullptr, false);
  words.erase(words.end() - 4, words.end() - 2);  // --out
  words.front() = "plan";
  words.insert(words.end(), {"--no-timing", "--json"});
  const json plan = parse_json(run_program(words));
  EXPECT_GT(plan["memory"]["prior"], 10000);
  EXPECT_EQ(plan["memory"]["total"], environment["planned_bytes"]);
  expect_error(run_program({"plan", "--preset", "nano", "--set", "model.prior_order=4"}), 2,
               "model.prior_order: is counted in the training text");
}

// Standard input is there once.
TEST_F(PriorCommands, ThePlanReadsTheTextOnce) {
  const std::string text = run_program({"data", "stories", "--bytes", "8k"}).out;
  const json plan =
      parse_json(run_program({"plan", "--preset", "nano", "--no-timing", "--json", "--data", "-",
                              "--set", "model.prior_order=3", "--set", "model.context_length=16"},
                             {.input = text}));
  EXPECT_TRUE(contains(plan["vocabulary_origin"], "vocabulary of the texts")) << plan;
  EXPECT_GT(plan["memory"]["prior"], 0);
}

TEST_F(PriorCommands, ItsGradientsAreChecked) {
  const ProgramResult result = run_program(
      {"gradcheck", "--preset", "nano", "--set", "model.prior_order=5", "--set", "model.layers=1"});
  EXPECT_EQ(result.code, 0) << result.out << result.err;
}

}  // namespace
}  // namespace cllm::cli
