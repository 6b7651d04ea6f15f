#include "cli/tiny_run.h"
#include "runlog/run_folder.h"

namespace cllm::cli {
namespace {

using Train = CommandTest;

TEST_F(Train, WritesARunAndReportsIt) {
  std::vector<std::string> command = tiny_training(in_folder("run"));
  command.emplace_back("--json");
  const nlohmann::json json = parse_json(run_program(command));
  EXPECT_EQ(json["end"], "finished");
  EXPECT_EQ(json["step"], 12);
  EXPECT_GT(json["best"]["loss"], 0);
  EXPECT_GT(json["held_out"]["tokens"], 0);
  EXPECT_TRUE(fs::exists(json["checkpoint"].get<std::string>()));
  EXPECT_TRUE(RunFolder::is_run(json["folder"].get<std::string>()));
}

TEST_F(Train, StoresTheCommandSoThatAShellReadsItBack) {
  std::vector<std::string> command = tiny_training(in_folder("a run"));
  ASSERT_EQ(run_program(command).code, 0);
  EXPECT_TRUE(
      contains(read_file(folder_ / "a run" / "command.txt"), "--out '" + in_folder("a run") + "'"));
}

TEST_F(Train, DataTakesSeveralPathsInBothForms) {
  write_file(in_folder("a.txt"), std::string(400, 'a'));
  write_file(in_folder("b.txt"), std::string(400, 'b'));
  std::vector<std::vector<std::string>> forms = {
      {"--data", in_folder("a.txt"), in_folder("b.txt")},
      {"--data", in_folder("a.txt"), "--data", in_folder("b.txt")}};
  for (const std::vector<std::string>& form : forms) {
    std::vector<std::string> command = {"train", "--dump-config"};
    command.insert(command.begin() + 1, form.begin(), form.end());
    command.insert(command.end(), {"--preset", "nano"});
    const ProgramResult result = run_program(command);
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(contains(
        result.out, "train = [\"" + in_folder("a.txt") + "\", \"" + in_folder("b.txt") + "\"]"))
        << result.out;
  }
}

TEST_F(Train, DumpedConfigTrainsTheSameModel) {
  std::vector<std::string> command = tiny_training(in_folder("first"));
  command.emplace_back("--dump-config");
  write_file(in_folder("run.toml"), run_program(command).out);
  command.back() = "--json";
  const nlohmann::json first = parse_json(run_program(command));
  const nlohmann::json second = parse_json(run_program(
      {"train", "--config", in_folder("run.toml"), "--out", in_folder("second"), "--json"}));
  EXPECT_EQ(first["checkpoint_hash"], second["checkpoint_hash"]);
}

TEST_F(Train, FlagsWinOverSetOverEnvironmentOverFileOverPreset) {
  write_file(in_folder("run.toml"),
             "[model]\nlayers = 2\nheads = 2\n[train]\nsteps = 2\nseed = 2\nlog_every = 2\n");
  const ProgramResult result = run_program(
      {"train", "--dump-config", "--preset", "demo", "--config", in_folder("run.toml"), "--set",
       "train.steps=4", "--set", "train.seed=4", "--steps", "5"},
      {.environment = {"CLLM_MODEL_HEADS=4", "CLLM_TRAIN_STEPS=3", "CLLM_TRAIN_SEED=3"}});
  for (const char* line : {"\nlayers = 2\n", "\nheads = 4\n", "\nsteps = 5\n", "\nseed = 4\n",
                           "\nlog_every = 2\n", "\nmlp = \"swiglu\"\n"})
    EXPECT_TRUE(contains(result.out, line)) << line << result.out;
}

// How often a run says what storing activations in 16 bits costs where nothing multiplies them.
int storage_warnings(const std::string& out, const std::string& precision,
                     const std::vector<std::string>& environment) {
  std::vector<std::string> command = tiny_training(out);
  command.insert(command.end(), {"--overwrite", "--set", "precision.mode=" + precision});
  const ProgramResult result = run_program(command, {.environment = environment});
  EXPECT_EQ(result.code, 0) << result.err;
  const std::string warning = "activations are stored in it (half the memory)";
  int count = 0;
  for (size_t at = result.err.find(warning); at != std::string::npos;
       at = result.err.find(warning, at + 1))
    ++count;
  EXPECT_EQ(contains(result.err, "products run in fp32"), count > 0) << result.err;
  return count;
}

TEST_F(Train, SaysOnceWhatSixteenBitsCostWithoutProductsInThem) {
  const std::string run = in_folder("run");
  for (const auto& [precision, expected] :
       {std::pair("fp32", 0), std::pair("bf16", 1), std::pair("fp16", 1)})
    EXPECT_EQ(storage_warnings(run, precision, {"CLLM_ISA=scalar"}), expected) << precision;
  const nlohmann::json info =
      parse_json(run_program({"info", "--json"}, {.environment = {"CLLM_ISA"}}));
  EXPECT_EQ(storage_warnings(run, "bf16", {"CLLM_ISA"}),
            info["instruction_set"] == "avx512_bf16" ? 0 : 1)
      << info["instruction_set"];
}

TEST_F(Train, ExistingRunNeedsOverwrite) {
  const std::string run = make_run();
  std::vector<std::string> command = tiny_training(run);
  EXPECT_EQ(run_program(command).code, 2);
  command.emplace_back("--overwrite");
  EXPECT_EQ(run_program(command).code, 0);
}

TEST_F(Train, ResumeGoesOnToMoreSteps) {
  const std::string run = make_run();
  const nlohmann::json json = parse_json(run_program({"resume", run, "--steps", "15", "--json"}));
  EXPECT_EQ(json["step"], 15);
  EXPECT_EQ(run_program({"resume", in_folder("nothing")}).code, 2);
}

TEST_F(Train, ResumeTakesSettingsThatMayChangeAndStoresThem) {
  const std::string run = make_run();
  ASSERT_EQ(run_program({"resume", run, "--steps", "13", "--set", "optimizer.learning_rate=2e-4",
                         "--set", "train.clip_norm=0.5"})
                .code,
            0);
  const std::string config = read_file(run + "/config.toml");
  for (const char* line : {"\nsteps = 13\n", "\nlearning_rate = 0.0002\n", "\nclip_norm = 0.5\n"})
    EXPECT_TRUE(contains(config, line)) << line << config;
  for (const char* fixed : {"model.width=64", "train.batch_size=8", "train.seed=3",
                            "data.stories=50000", "tokenizer.kind=bpe", "optimizer.kind=sgd"})
    expect_error(run_program({"resume", run, "--set", fixed}), 2, "start a new run");
  expect_error(run_program({"resume", run, "--set", "optimizer.learning_rat=1"}), 2,
               "did you mean 'optimizer.learning_rate'?");
  expect_error(run_program({"resume", run, "--steps", "3"}), 2, "below step 13");
  EXPECT_EQ(read_file(run + "/config.toml"), config);
}

TEST_F(Train, PreparedDataTrainsTheSameModelAsItsTexts) {
  ASSERT_EQ(run_program({"data", "stories", "--bytes", "20000"}).code, 0);
  write_file(in_folder("a.txt"), run_program({"data", "stories", "--bytes", "20000"}).out);
  ASSERT_EQ(run_program({"tokenizer", "train", "--data", in_folder("a.txt"), "--kind", "char",
                         "--out", in_folder("vocabulary")})
                .code,
            0);
  ASSERT_EQ(run_program({"data", "prepare", "--data", in_folder("a.txt"), "--tokenizer",
                         in_folder("vocabulary"), "--out", in_folder("prepared")})
                .code,
            0);
  const auto train = [&](const std::string& data, const std::string& out) {
    return parse_json(
        run_program({"train", "--data", data, "--steps", "5", "--batch-size", "2",
                     "--context-length", "32", "--set", "model.layers=1", "--set", "model.width=24",
                     "--set", "sample.every=0", "--out", in_folder(out), "--json"}));
  };
  const nlohmann::json texts = train(in_folder("a.txt"), "texts");
  const nlohmann::json prepared = train(in_folder("prepared"), "tokens");
  EXPECT_EQ(texts["checkpoint_hash"], prepared["checkpoint_hash"]);
  EXPECT_EQ(
      parse_json(run_program({"resume", in_folder("tokens"), "--steps", "7", "--json"}))["step"],
      7);
  EXPECT_GT(parse_json(run_program({"eval", in_folder("tokens"), "--json"}))["tokens"], 0);
  const ProgramResult mixed = run_program(
      {"train", "--data", in_folder("prepared"), in_folder("a.txt"), "--out", in_folder("mixed")});
  EXPECT_EQ(mixed.code, 2);
  EXPECT_TRUE(contains(mixed.err, "cannot be mixed")) << mixed.err;
}

}  // namespace
}  // namespace cllm::cli
