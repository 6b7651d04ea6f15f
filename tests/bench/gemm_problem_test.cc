#include "bench/gemm_problem.h"

#include <gtest/gtest.h>

#include "testing_tables.h"

namespace cllm::bench {
namespace {

// C = A B in plain loops.
void multiply(GemmProblem& problem) {
  const GemmShape& s = problem.shape;
  for (int64_t i = 0; i < s.m; ++i)
    for (int64_t j = 0; j < s.n; ++j) {
      float sum = 0;
      for (int64_t p = 0; p < s.k; ++p)
        sum += problem.a.data()[s.a_transposed() ? p * s.m + i : i * s.k + p] *
               problem.b.data()[s.b_transposed() ? j * s.k + p : p * s.n + j];
      problem.c.data()[i * s.n + j] = sum;
      problem.c16.data()[i * s.n + j] = to_bf16(sum);
    }
}

class GemmProblemTest : public ::testing::Test {
 protected:
  ThreadPool pool_{2};
  ops::Context context_{pool_, *kernels::find_table("scalar")};
};

TEST_F(GemmProblemTest, AcceptsTheProductAndRejectsWrongElements) {
  for (const Product product :
       {Product::kForward, Product::kInputGradient, Product::kWeightGradient}) {
    GemmProblem problem(context_, {product, 35, 40, 33});
    EXPECT_NE(problem.wrong_element(false), "");  // still zero
    multiply(problem);
    EXPECT_EQ(problem.wrong_element(false), "");
    EXPECT_EQ(problem.wrong_element(true), "");
    problem.c.data()[35 * 40 - 1] += 1e-4f;
    EXPECT_NE(problem.wrong_element(false), "");
    problem.c16.data()[0] = 0x7fc0;  // NaN
    EXPECT_NE(problem.wrong_element(true), "");
    problem.clear(context_);
    EXPECT_EQ(problem.c.data()[5], 0);
    EXPECT_EQ(problem.c16.data()[0], 0);
  }
}

TEST(Bf16, RoundsToNearestEven) {
  EXPECT_EQ(to_bf16(1.0f), 0x3f80);
  EXPECT_EQ(from_bf16(0x3f80), 1.0f);
  EXPECT_EQ(to_bf16(1.0f + 0x1p-8f), 0x3f80);             // half way: to even
  EXPECT_EQ(to_bf16(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82);   // half way: to even
  EXPECT_EQ(to_bf16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);  // above half
  EXPECT_EQ(to_bf16(-2.5f), 0xc020);
}

}  // namespace
}  // namespace cllm::bench
