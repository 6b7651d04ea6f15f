#include "bench/locality_rows.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "kernels/table.h"

namespace cllm::bench {
namespace {

TEST(PagedFloats, AreZeroAndBeginOnAHugePage) {
  for (const Pages pages : {Pages::kSmall, Pages::kHuge}) {
    PagedFloats memory(700000, pages);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(memory.data()) % (size_t{2} << 20), 0u);
    for (const int64_t at : {int64_t{0}, int64_t{699999}}) {
      EXPECT_EQ(memory.data()[at], 0);
      memory.data()[at] = 1;
    }
    if (pages == Pages::kSmall) {
      EXPECT_EQ(memory.huge_share(), 0);
    }
  }
}

TEST(MeasureRows, HasAResultForEveryWorkWidthPageAndOrder) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  Report report;
  int64_t last = 0, most = 0;
  measure_rows(
      context, zipf_tokens(64, 200), {{8, 16}, 90}, 2,
      [&](int64_t done, int64_t total) {
        EXPECT_GE(done, last);
        EXPECT_LT(done, total);
        last = done, most = total;
      },
      report);
  EXPECT_EQ(most, 2 * 2 * 2 * 5 * 3) << "rounds, widths, pages, works, orders";
  ASSERT_EQ(report.results.size(), 2u * 2 * 5 * 3);
  std::set<std::string> names;
  for (const Result& result : report.results) {
    EXPECT_TRUE(names.insert(result.name).second) << result.name;
    ASSERT_EQ(result.samples.size(), 2u);
    for (const double sample : result.samples)
      EXPECT_TRUE(std::isfinite(sample) && sample > 0) << result.name;
    if (result.extra.at("order") == "random") {
      EXPECT_EQ(result.extra.at("against_random"), 1.0);
    }
  }
  EXPECT_TRUE(names.contains("gather, width 8, 4 KiB pages, ulam"));
  EXPECT_NE(report.table.find("scatter of sorted tokens, width 16, 2 MiB pages"),
            std::string::npos);
}

}  // namespace
}  // namespace cllm::bench
