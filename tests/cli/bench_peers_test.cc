// cllm bench peers as a program: what it says when there is no peer. The rest is tested in
// tests/bench, with a stand-in.
#include <gmock/gmock.h>

#include "cli/program.h"
#include "temporary_folder.h"

namespace cllm::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class BenchPeers : public TemporaryFolder {
 protected:
  ProgramResult run(const std::string& python) const {
    return run_program({"bench", "peers", "--preset", "nano", "--precision", "fp32", "--batch-size",
                        "1", "--threads", "1", "--rounds", "1", "--python", python});
  }
};

TEST_F(BenchPeers, MissingPython) {
  const ProgramResult result = run((folder_ / "python9").string());
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, AllOf(HasSubstr("python9"), HasSubstr("apt-get install python3-torch")));
}

TEST_F(BenchPeers, MissingPyTorch) {
  const fs::path python = folder_ / "python";
  write_file(python, "#!/bin/sh\necho '{\"missing\": \"torch: No module named torch\"}'\n");
  fs::permissions(python, fs::perms::owner_all);
  const ProgramResult result = run(python.string());
  EXPECT_EQ(result.code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, AllOf(HasSubstr("lacks torch"), HasSubstr("python3-torch")));
}

TEST_F(BenchPeers, WrongChoices) {
  EXPECT_EQ(run_program({"bench", "peers", "--preset", "llama-15m"}).code, 2);
  EXPECT_EQ(run_program({"bench", "peers", "--precision", "fp64"}).code, 2);
}

}  // namespace
}  // namespace cllm::cli
