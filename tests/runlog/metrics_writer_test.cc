#include "runlog/metrics_writer.h"

#include <bit>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/philox.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

class Writer : public TemporaryFolder {
 protected:
  RunFolder create() { return RunFolder::create(folder_ / "run", {"", "", "{}"}, false); }
  static StepRecord step(int64_t number) {
    return {number, 2.5, 1e-3, 1, 1000, number * 10, static_cast<double>(number)};
  }
};

// Doubles of every size, drawn by their bits.
TEST_F(Writer, NumbersReadBackExactly) {
  const RunFolder run = create();
  const Philox random(1, RandomStream::kTest);
  std::vector<double> values = {0.0,
                                -0.0,
                                std::numeric_limits<double>::denorm_min(),
                                std::numeric_limits<double>::max(),
                                std::numeric_limits<double>::infinity(),
                                -std::numeric_limits<double>::infinity(),
                                static_cast<double>(0.1f)};
  for (uint64_t i = 0; i < 200; ++i) {
    const auto bits = random.bits(0, i);
    const double value = std::bit_cast<double>((static_cast<uint64_t>(bits[0]) << 32) | bits[1]);
    if (value == value) values.push_back(value);
  }
  {
    MetricsWriter writer(run);
    for (const double value : values) {
      writer.write(StepRecord{1, value, value, value, value, 1, value});
      writer.write(EvalRecord{1, value, value, value});
    }
  }
  const Metrics metrics = read_metrics(run.metrics());
  ASSERT_EQ(metrics.steps.size(), values.size());
  for (size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(metrics.steps[i].loss, values[i]);
    EXPECT_EQ(metrics.steps[i].seconds, values[i]);
    EXPECT_EQ(metrics.evaluations[i].bits_per_byte, values[i]);
  }
}

TEST_F(Writer, NanAndHostileTextReadBack) {
  const RunFolder run = create();
  MetricsWriter writer(run);
  StepRecord record = step(1);
  record.loss = std::numeric_limits<double>::quiet_NaN();
  writer.write(record);
  writer.write(EventRecord{1, "two\nlines \"and\" \x01"});
  writer.write(EventRecord{1, "not UTF-8: \xff"});
  // Before the writer is closed: every record is in the file at once.
  const Metrics metrics = read_metrics(run.metrics());
  ASSERT_EQ(metrics.steps.size(), 1u);
  EXPECT_NE(metrics.steps[0].loss, metrics.steps[0].loss);
  ASSERT_EQ(metrics.events.size(), 2u);
  EXPECT_EQ(metrics.events[0].text, "two\nlines \"and\" \x01");
}

TEST_F(Writer, ResumeDropsLaterRecordsAndATornLine) {
  const RunFolder run = create();
  {
    MetricsWriter writer(run);
    for (int64_t i = 1; i <= 10; ++i)
      writer.write(step(i));
    writer.write(EvalRecord{5, 1, 2, 3});
    writer.write(EvalRecord{10, 1, 2, 3});
    writer.write(EventRecord{6, "late"});
  }
  std::ofstream(run.metrics(), std::ios::app) << R"({"kind":"step","st)";
  {
    MetricsWriter writer = MetricsWriter::open_for_resume(run, 5);
    writer.write(step(6));
  }
  const Metrics metrics = read_metrics(run.metrics());
  ASSERT_EQ(metrics.steps.size(), 6u);
  for (size_t i = 0; i < 6; ++i)
    EXPECT_EQ(metrics.steps[i].step, static_cast<int64_t>(i) + 1);
  ASSERT_EQ(metrics.evaluations.size(), 1u);
  EXPECT_EQ(metrics.events.size(), 0u);
}

TEST_F(Writer, ATornLineAloneIsCutOnResume) {
  const RunFolder run = create();
  MetricsWriter(run).write(step(1));
  const std::string whole = read_file(run.metrics());
  std::ofstream(run.metrics(), std::ios::app) << "{\"kind";
  MetricsWriter::open_for_resume(run, 1);
  EXPECT_EQ(read_file(run.metrics()), whole);
}

TEST_F(Writer, AFullDiskIsARuntimeError) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "/dev/full is not there";
  const RunFolder run = create();
  fs::remove(run.metrics());
  fs::create_symlink("/dev/full", run.metrics());
  MetricsWriter writer(run);
  try {
    writer.write(step(1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
  }
}

}  // namespace
}  // namespace cllm
