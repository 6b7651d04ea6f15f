// The world around the program: closed descriptors, variables, cores, limits.
#include <sched.h>

#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Environment : public TinyRun {
 protected:
  static Words small() { return train() + steps(12) + set({"sample.every=0"}); }
  // Runs after `before` in a shell; the run must be whole.
  ProgramResult start(const std::string& before) {
    fs::remove_all(run().path());
    SCOPED_TRACE(before);
    const ProgramResult result = shell(before + command_line(small()));
    expect_whole_metrics(run(), 12);
    if (expected_.empty()) expected_ = manifest(12);
    EXPECT_EQ(manifest(12), expected_);
    return result;
  }
  std::string expected_;
};

TEST_F(Environment, ClosedDescriptorsNeverReachTheRunsFiles) {
  EXPECT_EQ(start("").code, 0);
  EXPECT_EQ(start("exec 0<&-; ").code, 0);
  EXPECT_EQ(start("exec 2>&-; ").code, 0);
  EXPECT_EQ(start("exec 2>/dev/full; ").code, 0);
  // The run is whole, but its result could not be printed.
  EXPECT_EQ(start("exec 1>&-; ").code, 1);
  EXPECT_EQ(start("exec 1>/dev/full; ").code, 1);
  start("exec 0<&- 1>&- 2>&-; ");
  const ProgramResult result = shell("exec 0<&-; " + command_line(train("-", "other")));
  EXPECT_EQ(result.code, 3) << result.err;
}

TEST_F(Environment, VariablesOfAnyKind) {
  EXPECT_EQ(start("unset HOME LANG LC_ALL TERM PATH; ").code, 0);
  EXPECT_EQ(start("export LANG=tlh_QO.KOI8 LC_ALL=nonsense TERM=nonsense HOME=/nowhere; ").code, 0);
  EXPECT_EQ(start("export CLLM_THREADS= OMP_NUM_THREADS= CLLM_ISA=; ").code, 0);
  EXPECT_EQ(start("export OMP_NUM_THREADS=2,2; ").code, 0);
}

TEST_F(Environment, WrongVariablesOfOurOwnAreRefused) {
  Words words = {"train", "--data", "text.txt", "--out", "run", "--steps", "2"};
  for (const std::string name : {"CLLM_THREADS", "OMP_NUM_THREADS"})
    for (const std::string value : {"garbage", "-1", "0", "1.5", "99999999999999999999"}) {
      options_.environment = {name + "=" + value};
      expect_error(cllm(words), 2, {name + ": '" + value + "'"});
    }
  options_.environment = {"CLLM_ISA=garbage"};
  expect_error(cllm(words), 2, {"CLLM_ISA", "'garbage'", "scalar"});
  EXPECT_FALSE(fs::exists(run().path()));
}

TEST_F(Environment, OneCoreOfManyIsSeen) {
  cpu_set_t before;
  ASSERT_EQ(::sched_getaffinity(0, sizeof before, &before), 0);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++core)
    if (CPU_ISSET(core, &before)) CPU_SET(core, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof one, &one), 0);
  const ProgramResult result =
      cllm({"train", "--data", "text.txt", "--out", "run", "--steps", "2", "--preset", "nano"});
  ASSERT_EQ(::sched_setaffinity(0, sizeof before, &before), 0);
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("1 physical core in the affinity mask"));
}

TEST_F(Environment, AnAddressSpaceLimitIsNoCrash) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers reserve more address space than any limit";
#endif
  // Passes the check against the machine's memory, but not the limit of this process.
  const ProgramResult result =
      shell("ulimit -v 400000; " + command_line({"train", "--data", "text.txt", "--out", "run",
                                                 "--batch-size", "200", "--threads", "1"}));
  EXPECT_EQ(result.code, 5) << result.err;
  error_line(result);
  EXPECT_FALSE(fs::exists(run().path()));
}

}  // namespace
}  // namespace cllm::cli
