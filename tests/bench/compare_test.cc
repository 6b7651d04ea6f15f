#include "bench/compare.h"

#include <gmock/gmock.h>

#include <algorithm>

#include "base/philox.h"

namespace cllm::bench {
namespace {

using ::testing::ElementsAre;

Report report_of(std::vector<Result> results) {
  Report report;
  report.benchmark = "example";
  report.results = std::move(results);
  return report;
}

// `count` samples around `middle`, within 2 %.
std::vector<double> noise(double middle, int count, uint64_t stream) {
  const Philox source(1, RandomStream::kTest);
  std::vector<double> values;
  for (int i = 0; i < count; ++i)
    values.push_back(middle * (0.98 + 0.04 * source.uniform(stream, static_cast<uint64_t>(i))));
  return values;
}

TEST(MannWhitney, AgreesWithTheTablesOfTheTest) {
  // Fully separated samples of n each: 2 of C(2n, n) orders are as extreme.
  EXPECT_NEAR(mann_whitney({1, 2, 3}, {4, 5, 6}), 2.0 / 20, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 2, 3, 4}, {5, 6, 7, 8}), 2.0 / 70, 1e-12);
  EXPECT_NEAR(mann_whitney({5, 6, 7, 8}, {1, 2, 3, 4}), 2.0 / 70, 1e-12);
  // U = 1 of 4 x 4: four of seventy orders.
  EXPECT_NEAR(mann_whitney({1, 2, 3, 5}, {4, 6, 7, 8}), 4.0 / 70, 1e-12);
  EXPECT_NEAR(mann_whitney({1, 4}, {2, 3}), 1, 1e-12);
}

TEST(MannWhitney, KnowsTiesAndEmptySets) {
  EXPECT_DOUBLE_EQ(mann_whitney({5, 5, 5}, {5, 5}), 1);
  EXPECT_DOUBLE_EQ(mann_whitney({}, {1, 2}), 1);
  // {1, 1} of {1, 1, 2, 2}: the two extreme choices of six.
  EXPECT_NEAR(mann_whitney({1, 1}, {2, 2}), 2.0 / 6, 1e-12);
}

TEST(MannWhitney, ApproximatesManySamplesAsItCountsFew) {
  // 30 + 30 samples are counted, 31 + 31 approximated; the same overlap gives nearly the same p.
  const auto p = [](int count) {
    std::vector<double> a, b;
    for (int i = 0; i < count; ++i) {
      a.push_back(i);
      b.push_back(i + 0.2 * count + 0.5);
    }
    return mann_whitney(a, b);
  };
  EXPECT_NEAR(p(30), p(31), 0.004);
  EXPECT_LT(p(30), 0.05);
}

TEST(Compare, FlagsARealRegressionInEitherUnit) {
  const Report base = report_of({{"rate", "GFLOP/s", Better::kHigher, noise(100, 9, 1), {}},
                                 {"time", "s", Better::kLower, noise(1, 9, 2), {}}});
  const Report worse = report_of({{"rate", "GFLOP/s", Better::kHigher, noise(90, 9, 3), {}},
                                  {"time", "s", Better::kLower, noise(1.1, 9, 4), {}}});
  const Comparison down = compare_reports(base, worse, 0.03);
  EXPECT_EQ(down.regressions(), 2);
  EXPECT_NEAR(down.changes[0].gain, -0.1, 0.02);
  EXPECT_NEAR(down.changes[1].gain, -0.1, 0.02);
  const Comparison up = compare_reports(worse, base, 0.03);
  EXPECT_EQ(up.regressions(), 0);
  EXPECT_GT(up.changes[0].gain, 0.08);
  EXPECT_GT(up.changes[1].gain, 0.08);
  EXPECT_EQ(compare_reports(base, worse, 0.2).regressions(), 0);
}

TEST(Compare, DoesNotFlagNoise) {
  for (uint64_t stream = 0; stream < 50; ++stream) {
    const Report base =
        report_of({{"rate", "GFLOP/s", Better::kHigher, noise(100, 7, 2 * stream), {}}});
    const Report now =
        report_of({{"rate", "GFLOP/s", Better::kHigher, noise(100, 7, 2 * stream + 1), {}}});
    EXPECT_EQ(compare_reports(base, now, 0.03).regressions(), 0) << stream;
  }
}

TEST(Compare, DoesNotFlagADifferenceThatThreeSamplesCannotShow) {
  const Report base = report_of({{"rate", "GFLOP/s", Better::kHigher, {100, 101, 102}, {}}});
  const Report now = report_of({{"rate", "GFLOP/s", Better::kHigher, {80, 81, 82}, {}}});
  EXPECT_EQ(compare_reports(base, now, 0.03).regressions(), 0);
}

TEST(Compare, NamesWhatOnlyOneSideHas) {
  const Report base = report_of({{"a", "s", Better::kLower, {1}, {}}, {"b", "s", {}, {1}, {}}});
  const Report now = report_of({{"b", "ms", {}, {1}, {}}, {"c", "s", {}, {1}, {}}});
  const Comparison comparison = compare_reports(base, now, 0.03);
  EXPECT_TRUE(comparison.changes.empty());
  EXPECT_THAT(comparison.only_base, ElementsAre("a", "b"));
  EXPECT_THAT(comparison.only_now, ElementsAre("b", "c"));
}

TEST(Incomparable, IsAnotherMachineOrBenchmarkButNotAnotherVersion) {
  Report base = report_of({});
  base.machine.cpu = "A";
  Report now = base;
  now.machine.version = "2";
  now.machine.commit = "x";
  now.machine.compiler = "y";
  EXPECT_EQ(incomparable(base, now), "");
  now.machine.cpu = "B";
  EXPECT_EQ(incomparable(base, now), "CPU A against B");
  now = base;
  now.machine.threads = 3;
  EXPECT_EQ(incomparable(base, now), "threads 0 against 3");
  now = base;
  now.benchmark = "other";
  EXPECT_EQ(incomparable(base, now), "benchmark example against other");
}

TEST(Pooled, PutsSamplesOfTheSameNameTogether) {
  const Report both = pooled(report_of({{"a", "s", {}, {1, 2}, {}}, {"b", "s", {}, {3}, {}}}),
                             report_of({{"a", "s", {}, {4}, {}}}));
  EXPECT_THAT(both.results[0].samples, ElementsAre(1, 2, 4));
  EXPECT_THAT(both.results[1].samples, ElementsAre(3));
}

}  // namespace
}  // namespace cllm::bench
