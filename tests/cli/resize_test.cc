// cllm resize, and what its result is used for.
#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

class ResizeCommand : public CommandTest {
 protected:
  void SetUp() override {
    CommandTest::SetUp();
    run_ = make_run();
    text_ = in_folder("text.txt");
    write_file(text_, run_program({"data", "stories", "--bytes", "8k"}).out);
  }
  std::vector<std::string> resize(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"resize", run_, "--threads", "2", "--calibration-tokens",
                                      "4k"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  double loss(const std::string& model) const {
    return parse_json(run_program({"eval", model, "--data", text_, "--json"}))["loss"];
  }

  std::string run_, text_;
};

TEST_F(ResizeCommand, HalvesARunByDefaultOnItsOwnText) {
  const json report = parse_json(run_program(resize({"--json"})));
  const std::string out = run_ + "-width-16";
  EXPECT_EQ(report["model"], out);
  EXPECT_EQ(report["from"], 32);
  EXPECT_EQ(report["to"], 16);
  EXPECT_EQ(report["sites"].size(), 3u);
  EXPECT_GT(report["kept"], 0.5);
  EXPECT_LT(report["kept"], 1);
  EXPECT_EQ(report["file_bytes"], fs::file_size(fs::path(out) / "model.safetensors"));
  const ProgramResult text =
      run_program({"generate", out, "--prompt", "The", "--max-tokens", "4", "--threads", "1"});
  EXPECT_EQ(text.code, 0) << text.err;
  const ProgramResult trained =
      run_program({"train", "--init", out, "--data", text_, "--steps", "1", "--batch-size", "2",
                   "--threads", "2", "--out", in_folder("second")});
  EXPECT_EQ(trained.code, 0) << trained.err;
  const ProgramResult small =
      run_program({"compress", out, "--bits", "6", "--calibration", text_, "--method", "rtn",
                   "--threads", "2", "--out", in_folder("small")});
  EXPECT_EQ(small.code, 0) << small.err;
  // Once more it is there already.
  expect_error(run_program(resize({"--quiet"})), 2, "exists already");
}

TEST_F(ResizeCommand, TheOwnWidthChangesNothingAndSaysSo) {
  const std::string out = in_folder("turned");
  const ProgramResult result =
      run_program(resize({"--width", "32", "--calibration", text_, "--out", out}));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "only turned")) << result.err;
  EXPECT_TRUE(contains(result.out, "32 -> 32 (pca)")) << result.out;
  EXPECT_NEAR(loss(out), loss(run_), 1e-4);
}

TEST_F(ResizeCommand, MistakesAreOneLine) {
  const std::string out = in_folder("small");
  expect_error(run_program(resize({"--quiet", "--width", "33", "--out", out})), 2,
               "above the model's 32");
  expect_error(run_program(resize({"--quiet", "--width", "-1", "--out", out})), 2, "width");
  expect_error(run_program(resize({"--quiet", "--method", "magic", "--out", out})), 2, "method");
  expect_error(run_program(resize({"--quiet", "--out", run_})), 2, "exists already");
  expect_error(run_program(resize({"--quiet", "--calibration", in_folder("none"), "--out", out})),
               3, "none");
  expect_error(run_program({"resize", "--quiet", in_folder("nothing")}), 2, "does not exist");
  EXPECT_FALSE(fs::exists(out));
  ASSERT_EQ(run_program(resize({"--out", out})).code, 0);
  // A folder that is no run has no text of its own.
  expect_error(run_program({"resize", "--quiet", out}), 2, "--calibration");
  const fs::path file = fs::path(out) / "model.safetensors";
  std::string bytes = read_file(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_file(file, bytes);
  expect_error(run_program({"eval", out, "--data", text_}), 3, "checksum");
}

TEST_F(ResizeCommand, AFullDiskLeavesNothing) {
  const std::string out = in_folder("small");
  const std::vector<std::string> words = resize({"--quiet", "--calibration", text_, "--out", out});
  // A limit on the size of files, which the program inherits, is a full disk: room for the tokens
  // of the text, not for the weights.
  struct rlimit usual {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  const struct rlimit small = {.rlim_cur = 40'000, .rlim_max = usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const ProgramResult result = run_program(words);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
  expect_error(result, 1, "cannot write: File too large");
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(in_folder(".tmp-small")));
  EXPECT_EQ(run_program(words).code, 0);
}

}  // namespace
}  // namespace cllm::cli
