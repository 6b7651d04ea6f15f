#include "crystal/input_moments.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "model/model_test_files.h"
#include "testing.h"

namespace cllm {
namespace {

class InputMomentsTest : public ::testing::Test {
 protected:
  std::vector<double> hessian(int threads, const std::vector<float>& x, int64_t calls) {
    ThreadPool pool(threads);
    const ops::Context context{pool, kernels::chosen_table()};
    InputMoments moments(model_, context);
    const int64_t rows = std::ssize(x) / width_ / calls;
    for (int64_t call = 0; call < calls; ++call)
      moments.add(head_, rows, width_, x.data() + call * rows * width_);
    return moments.hessian(head_);
  }

  const Transformer model_{small_llama()};
  const int32_t head_ = model_.head().linear().weight_parameter();
  const int64_t width_ = model_.config().width;
};

TEST_F(InputMomentsTest, AreTheMeanOfProducts) {
  constexpr int64_t kRows = 60;
  const std::vector<float> x = testing::random_vector(static_cast<size_t>(kRows * width_), 1);
  const std::vector<double> h = hessian(2, x, 3);
  ASSERT_EQ(h.size(), static_cast<size_t>(width_ * width_));
  for (int64_t i = 0; i < width_; ++i)
    for (int64_t j = 0; j < width_; ++j) {
      double sum = 0, magnitude = 0;
      for (int64_t n = 0; n < kRows; ++n) {
        const double product = double{x[n * width_ + i]} * x[n * width_ + j];
        sum += product;
        magnitude += std::abs(product);
      }
      // Sums of 20 products in fp32: at most 20 roundings of 2^-24 of the magnitudes.
      EXPECT_LE(std::abs(h[i * width_ + j] - sum / kRows), 20 * 0x1p-24 * magnitude / kRows);
      EXPECT_EQ(h[i * width_ + j], h[j * width_ + i]);
    }
  EXPECT_EQ(hessian(1, x, 3), h) << "other threads, other bits";
}

TEST_F(InputMomentsTest, NothingToSayIsEmptyAndNonsenseIsRefused) {
  std::vector<float> x(static_cast<size_t>(2 * width_));
  EXPECT_TRUE(hessian(1, x, 1).empty()) << "inputs that are all zero";
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  EXPECT_TRUE(InputMoments(model_, context).hessian(0).empty()) << "the token table of its own";
  x[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(error_of(ErrorKind::kData, [&] { hessian(1, x, 1); }), "");
}

}  // namespace
}  // namespace cllm
