// What happens to results when standard output cannot take them.
#include <fcntl.h>

#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

// Enough that it cannot wait in a pipe or a buffer.
const std::vector<std::string> kMuchOutput = {"data", "stories", "--bytes", "2M"};

TEST(Output, ReaderThatHasGoneIsNoFailure) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  ::close(ends[0]);
  const ProgramResult result = run_program(kMuchOutput, {.output = ends[1]});
  ::close(ends[1]);
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.err, "");
}

TEST(Output, FullDiskIsAFailure) {
  const int full = ::open("/dev/full", O_WRONLY);
  ASSERT_GE(full, 0);
  for (const std::vector<std::string>& command : {kMuchOutput, {"version"}})
    expect_error(run_program(command, {.output = full}), 1, "No space left");
  ::close(full);
}

TEST(Output, ClosedOutputIsAFailure) {
  expect_error(run_program({"version"}, {.close_output = true}), 1, "standard output");
}

class ClosedOutput : public CommandTest {};

// The first file that is opened must not take the place of standard output.
TEST_F(ClosedOutput, NeverEndsUpInAFile) {
  std::vector<std::string> command = tiny_training(in_folder("run"));
  expect_error(
      [&] {
        command.emplace_back("--quiet");
        return run_program(command, {.close_output = true});
      }(),
      1, "standard output");
  for (const auto& entry : fs::recursive_directory_iterator(folder_))
    EXPECT_FALSE(entry.is_regular_file() &&
                 contains(read_file(entry.path()), "best held-out loss  "))
        << entry.path();
  EXPECT_EQ(run_program({"eval", in_folder("run")}).code, 0);
}

}  // namespace
}  // namespace cllm::cli
