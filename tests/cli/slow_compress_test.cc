// cllm compress and SIGKILL: the same command goes on to the same bytes, whenever it was killed.
#include <fmt/format.h>

#include "base/philox.h"
#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

class KilledCompress : public TinyRun {
 protected:
  void SetUp() override {
    TinyRun::SetUp();
    // Where a killed process leaves the tokens of the text.
    fs::create_directory(at("scratch"));
    options_.environment.push_back("TMPDIR=" + at("scratch").string());
    ASSERT_EQ(cllm(train() + steps(30)).code, 0);
  }
  // So many candidates that matrices take long enough to be killed in.
  static Words compress(const std::string& out) {
    return {"compress",  "run", "--bits",  "3",  "--calibration", "text.txt",
            "--threads", "2",   "--width", "50", "--out",         out};
  }
  // Matrices that are finished.
  int records() const {
    int count = 0;
    while (fs::exists(at("small.unfinished") / fmt::format("matrix-{:05}", count)))
      ++count;
    return count;
  }
  Words listing() const {
    Words names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename().string());
    return names;
  }
};

TEST_F(KilledCompress, EndsInTheSameBytes) {
  const ProgramResult straight = cllm(compress("straight"));
  ASSERT_EQ(straight.code, 0) << straight.err;
  const Philox random(4, RandomStream::kTest);
  // Before there is a record: as the model or the text is read, or the work is claimed.
  for (uint64_t kill = 0; kill < 6; ++kill) {
    RunningProgram program(compress("small"), options_);
    std::this_thread::sleep_for(std::chrono::milliseconds(random.below(100, 0, kill)));
    program.signal(SIGKILL);
    program.wait();
  }
  // After every other record, at some moment of the next ones.
  uint64_t kills = 0;
  while (!fs::exists(at("small"))) {
    const int before = records();
    RunningProgram program(compress("small"), options_);
    wait_until([&] { return !program.runs() || records() > before + 1; });
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(20'000, 1, kills)));
    program.signal(SIGKILL);
    const ProgramResult result = program.wait();
    ASSERT_TRUE(result.code == 0 || result.code == 128 + SIGKILL) << result.err;
    if (result.code != 0) ++kills;
  }
  EXPECT_GE(kills, 2U);
  EXPECT_EQ(snapshot(at("small")), snapshot(at("straight")));
  // Once more it is there already; records of a call that was killed at its very end go.
  const ProgramResult again = cllm(compress("small"));
  expect_error(again, 2, {"small", "exists already"});
  EXPECT_THAT(listing(),
              testing::UnorderedElementsAre("run", "scratch", "small", "straight", "text.txt"));
}

}  // namespace
}  // namespace cllm::cli
