// cllm export, and what its result is used for.
#include <algorithm>

#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

class ExportCommand : public CommandTest {
 protected:
  // Settings of the tiny run are replaced.
  std::string make_run_with(const std::vector<std::string>& settings, const std::string& name) {
    std::vector<std::string> words = tiny_training(in_folder(name));
    for (const std::string& setting : settings) {
      const std::string key = setting.substr(0, setting.find('=') + 1);
      const auto given = std::ranges::find_if(
          words, [&](const std::string& word) { return word.starts_with(key); });
      if (given != words.end()) {
        *given = setting;
        continue;
      }
      words.emplace_back("--set");
      words.push_back(setting);
    }
    const ProgramResult result = run_program(words);
    EXPECT_EQ(result.code, 0) << result.err;
    return in_folder(name);
  }
  std::string text() {
    const std::string path = in_folder("text.txt");
    write_file(path, run_program({"data", "stories", "--bytes", "8k"}).out);
    return path;
  }
  static std::vector<std::string> exporting(const std::string& model, const std::string& out,
                                            const std::vector<std::string>& more = {}) {
    std::vector<std::string> words = {"export", model, "--out", out, "--threads", "2"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static double loss(const std::string& model, const std::string& text) {
    return parse_json(run_program({"eval", model, "--data", text, "--json"}))["loss"];
  }
};

TEST_F(ExportCommand, TheResultIsAModelForEveryCommand) {
  const std::string run =
      make_run_with({"model.embedding=factorised", "model.embedding_width=16"}, "run");
  const std::string out = in_folder("plain"), words = text();
  const json report = parse_json(run_program(exporting(run, out, {"--json"})));
  EXPECT_EQ(report["model"], out);
  EXPECT_EQ(report["embedding"], "factorised");
  EXPECT_EQ(report["plain_already"], false);
  EXPECT_EQ(report["file_bytes"], fs::file_size(fs::path(out) / "model.safetensors"));
  EXPECT_LE(report["largest_difference"], report["allowed_difference"]);
  EXPECT_NEAR(loss(out, words), loss(run, words), 2 * double{report["allowed_difference"]});
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"generate", out, "--prompt", "The", "--max-tokens", "4", "--threads", "1"},
           {"train", "--init", out, "--data", words, "--steps", "1", "--batch-size", "2",
            "--threads", "2", "--out", in_folder("second")},
           {"plan", "--init", out, "--data", words},
           {"resize", out, "--width", "16", "--calibration", words, "--out", in_folder("narrow")},
           {"compress", out, "--bits", "6", "--method", "rtn", "--calibration", words, "--out",
            in_folder("small")}}) {
    const ProgramResult result = run_program(command);
    EXPECT_EQ(result.code, 0) << command.front() << ": " << result.err;
  }
  // And back again from what was compressed.
  const ProgramResult again = run_program(exporting(in_folder("small"), in_folder("again")));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.out, "decoded to fp32")) << again.out;
  EXPECT_TRUE(contains(again.out, "the same bits")) << again.out;
  EXPECT_EQ(loss(in_folder("again"), words), loss(in_folder("small"), words));
}

TEST_F(ExportCommand, TellsWhatItDid) {
  const std::string run = make_run_with({"model.embedding=lattice", "tokenizer.kind=char",
                                         "tokenizer.order=ulam", "precision.mode=bf16"},
                                        "run");
  const ProgramResult result = run_program(exporting(run, in_folder("plain/")));
  ASSERT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.out, "lattice -> dense, the head tied to it")) << result.out;
  EXPECT_TRUE(contains(result.out, "ids and rows as they were made")) << result.out;
  EXPECT_TRUE(contains(result.out, "the same bits")) << result.out;
  const ProgramResult again = run_program(exporting(in_folder("plain"), in_folder("copy")));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_TRUE(contains(again.out, "plain already: written as they are")) << again.out;
  for (const char* file : {"model.safetensors", "tokenizer.json", "config.json"})
    EXPECT_EQ(read_file(in_folder("copy/" + std::string(file))),
              read_file(in_folder("plain/" + std::string(file))));
}

TEST_F(ExportCommand, MistakesAreOneLine) {
  const std::string run = make_run(), out = in_folder("plain");
  expect_error(run_program({"export", run}), 2, "--out");
  expect_error(run_program(exporting(run, run, {"--quiet"})), 2, "exists already");
  expect_error(run_program(exporting(in_folder("nothing"), out, {"--quiet"})), 2, "does not exist");
  for (const std::string setting : {"model.ngram_order=2", "model.prior_order=2"}) {
    const std::string other = make_run_with({setting}, setting.substr(6, 5));
    expect_error(run_program(exporting(other, out, {"--quiet"})), 2,
                 setting.substr(0, setting.size() - 1) + "0");
  }
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(in_folder(".tmp-plain")));
}

TEST_F(ExportCommand, AFullDiskLeavesNothing) {
  const std::string run = make_run(), out = in_folder("plain");
  // A limit on the size of files, which the program inherits, is a full disk.
  struct rlimit usual {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &usual), 0);
  const struct rlimit small = {.rlim_cur = 40'000, .rlim_max = usual.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const ProgramResult result = run_program(exporting(run, out, {"--quiet"}));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &usual), 0);
  expect_error(result, 1, "cannot write: File too large");
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(in_folder(".tmp-plain")));
}

}  // namespace
}  // namespace cllm::cli
