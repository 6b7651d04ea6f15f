#include "bench/locality_tiles.h"

#include <gtest/gtest.h>

#include "kernels/table.h"

namespace cllm::bench {
namespace {

TEST(MeasureTiles, ComparesBothOrders) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  Report report;
  measure_product_tiles(context, {{Product::kForward, 200, 300, 40}}, 2, {}, report);
  BenchPreset nano = bench_preset("nano");
  nano.batch_size = 1;
  measure_attention_tiles(context, {nano}, 2, {}, report);
  ASSERT_EQ(report.results.size(), 6u);
  EXPECT_EQ(report.results[0].name, "fwd 200x300x40 fp32, straight");
  EXPECT_EQ(report.results[3].name, "fwd 200x300x40 bf16, hilbert");
  EXPECT_EQ(report.results[5].name, "nano attention forward, hilbert");
  for (const size_t hilbert : {1, 3, 5})
    EXPECT_GT(report.results[hilbert].extra.at("against_straight").get<double>(), 0);
  EXPECT_NE(report.table.find("nano attention forward"), std::string::npos);
}

}  // namespace
}  // namespace cllm::bench
