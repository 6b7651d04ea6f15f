// cllm compress, and what its result is used for.
#include <fmt/format.h>

#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

class CompressCommand : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    run_ = make_run();
    text_ = in_folder("text.txt");
    write_file(text_, run_program({"data", "stories", "--bytes", "8k"}).out);
  }
  std::vector<std::string> compress(const std::string& out, const std::string& bits = "6") const {
    return {"compress",  run_, "--bits",  bits, "--calibration", text_,
            "--threads", "2",  "--width", "4",  "--out",         out};
  }

  std::string run_, text_;
};

TEST_F(CompressCommand, TheResultIsAModelForEveryCommand) {
  const std::string out = in_folder("small");
  std::vector<std::string> words = compress(out);
  words.push_back("--json");
  const json report = parse_json(run_program(words));
  EXPECT_GT(report["bits_per_weight"], 6);
  EXPECT_LT(report["bits_per_weight"], 7) << "tables and records of small matrices";
  EXPECT_EQ(report["file_bytes"], fs::file_size(fs::path(out) / "model.safetensors"));
  const json before = parse_json(run_program({"eval", run_, "--data", text_, "--json"}));
  const json after = parse_json(run_program({"eval", out, "--data", text_, "--json"}));
  EXPECT_EQ(after["tokens"], before["tokens"]);
  EXPECT_NEAR(after["loss"].get<double>(), before["loss"].get<double>(), 0.02);
  const ProgramResult text =
      run_program({"generate", out, "--prompt", "The", "--max-tokens", "4", "--threads", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  const std::string second = in_folder("second");
  const ProgramResult trained =
      run_program({"train", "--init", out, "--data", text_, "--steps", "1", "--batch-size", "2",
                   "--threads", "2", "--out", second});
  EXPECT_EQ(trained.code, 0) << trained.err;
}

TEST_F(CompressCommand, TheDefaultFolderIsBesideTheRun) {
  const auto compress_to_default = [&](const std::string& run, const std::string& bits,
                                       const ProgramOptions& options = {}) {
    return run_program({"compress", run, "--bits", bits, "--calibration", text_, "--method", "rtn",
                        "--threads", "2", "--quiet", "--json"},
                       options);
  };
  EXPECT_EQ(parse_json(compress_to_default(run_, "6"))["model"], run_ + "-6-bit");
  EXPECT_EQ(parse_json(compress_to_default(run_ + "/", "2.5"))["model"], run_ + "-2.5-bit");
  EXPECT_EQ(compress_to_default(".", "5", {.folder = run_}).code, 0);
  for (const auto& step : fs::directory_iterator(run_ + "/checkpoints"))
    EXPECT_EQ(parse_json(compress_to_default(step.path().string(), "6"))["model"],
              run_ + "-" + step.path().filename().string() + "-6-bit");
  for (const char* bits : {"6", "5", "2.5"})
    EXPECT_TRUE(fs::exists(fmt::format("{}-{}-bit/model.safetensors", run_, bits))) << bits;
  expect_error(compress_to_default(run_, "6"), 2, "run-6-bit: exists already");
  // Unfinished work lies beside it, and belongs to one method.
  fs::create_directory(run_ + "-4-bit.unfinished");
  write_file(run_ + "-4-bit.unfinished/job.json", "{}\n");
  expect_error(compress_to_default(run_, "4"), 2, "holds unfinished work on another model");
}

TEST_F(CompressCommand, MistakesAreOneLine) {
  const std::string out = in_folder("small");
  expect_error(run_program(compress(run_)), 2, "exists already");
  expect_error(run_program(compress(out, "40")), 2, "bits");
  std::vector<std::string> words = compress(out);
  words.insert(words.end(), {"--method", "magic"});
  expect_error(run_program(words), 2, "method");
  words.back() = "lll-babai";
  expect_error(run_program(words), 2, "--width: changes nothing without --method lll-kbest");
  words = {"compress", run_,   "--bits",  "6",  "--calibration", text_,
           "--method", "gptq", "--block", "32", "--out",         out};
  expect_error(run_program(words), 2, "--block: changes nothing without --method lll-babai");
  EXPECT_FALSE(fs::exists(out));
  ASSERT_EQ(run_program(compress(out)).code, 0);
  const fs::path file = fs::path(out) / "model.safetensors";
  std::string bytes = read_file(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file(file, bytes);
  expect_error(run_program({"eval", out, "--data", text_}), 3, "checksum");
}

TEST_F(CompressCommand, AStopKeepsWhatIsFinished) {
  const std::string out = in_folder("small");
  const fs::path unfinished = out + ".unfinished";
  // K-best of this width takes minutes.
  std::vector<std::string> slow = compress(out);
  slow[9] = "20000";
  RunningProgram program(slow);
  for (int i = 0; i < 20000 && !fs::exists(unfinished / "matrix-00000"); ++i)
    ::usleep(1000);
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_TRUE(contains(result.err, "cllm: stopped by signal 2")) << result.err;
  EXPECT_FALSE(fs::exists(out));
  const ProgramResult other = run_program(compress(out));
  EXPECT_EQ(other.code, 2);
  EXPECT_TRUE(contains(other.err, "unfinished work")) << other.err;
}

}  // namespace
}  // namespace cllm::cli
