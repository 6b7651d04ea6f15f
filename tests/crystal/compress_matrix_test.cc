#include "crystal/compress_matrix.h"

#include <gtest/gtest.h>

#include "crystal/coded_matrix.h"
#include "crystal/gap_rig.h"
#include "crystal/rans.h"

namespace cllm {
namespace {

constexpr size_t kRows = 512, kColumns = 48;
constexpr QuantiseMethod kMethods[] = {QuantiseMethod::kRtn, QuantiseMethod::kGptq,
                                       QuantiseMethod::kLllBabai, QuantiseMethod::kLllKbest};

struct Case {
  std::vector<float> weights = testing::normal_weights(kRows * kColumns, 1);
  std::vector<double> hessian = testing::hessian_of(testing::power_law(kColumns, 1.5), 2);

  std::vector<uint8_t> compress(double bits, QuantiseMethod method, int threads) const {
    ThreadPool pool(threads);
    return compress_matrix(
        {.weights = weights, .rows = kRows, .columns = kColumns, .hessian = hessian}, bits,
        {.method = method, .block = 24, .width = 8}, 7, pool);
  }
  // Sum over rows of e^T H e.
  double error(const std::vector<uint8_t>& record) const {
    ThreadPool pool(2);
    std::vector<float> decoded(weights.size());
    reconstruct(decode_matrix(record, kRows, kColumns, "test"), decoded, pool);
    double sum = 0;
    for (size_t row = 0; row < kRows; ++row)
      for (size_t i = 0; i < kColumns; ++i)
        for (size_t j = 0; j < kColumns; ++j)
          sum += hessian[i * kColumns + j] *
                 (double{weights[row * kColumns + i]} - decoded[row * kColumns + i]) *
                 (double{weights[row * kColumns + j]} - decoded[row * kColumns + j]);
    return sum;
  }
};

TEST(CompressMatrix, MeetsTheRateAndBetterMethodsErrLess) {
  const Case problem;
  for (const double bits : {1.0, 2.5, 4.0}) {
    double before = 1e300;
    for (const QuantiseMethod method : kMethods) {
      const std::vector<uint8_t> record = problem.compress(bits, method, 2);
      const CodedMatrix matrix = decode_matrix(record, kRows, kColumns, "test");
      EXPECT_NEAR(empirical_entropy(matrix.integers), bits, 0.0101);
      const double error = problem.error(record);
      // 0.3 of rounding's, then 0.89 to 0.94, then 0.87 to 0.89 of the method's before.
      EXPECT_LT(error, 0.97 * before) << bits << " " << quantise_method_name(method);
      before = error;
    }
  }
}

TEST(CompressMatrix, ManyThreadsGiveTheSameBytes) {
  const Case problem;
  for (const QuantiseMethod method : kMethods)
    EXPECT_EQ(problem.compress(3, method, 1), problem.compress(3, method, 3));
}

// Behind the embedding of a small vocabulary: few different inputs, the rest rounding errors.
TEST(CompressMatrix, AnHessianOfLowRankIsDamped) {
  Case problem;
  std::vector<double> eigenvalues(kColumns);
  for (size_t i = 0; i < kColumns; ++i)
    eigenvalues[i] = i < 5 ? 1 : -1e-7;
  problem.hessian = testing::hessian_of(eigenvalues, 3);
  for (const QuantiseMethod method : kMethods)
    EXPECT_LT(problem.error(problem.compress(3, method, 2)),
              0.1 * static_cast<double>(kRows * 5));  // of all that the weights do there
}

TEST(CompressMatrix, ZeroWeightsAndNoHessian) {
  Case problem;
  problem.hessian.clear();
  ThreadPool pool(2);
  const std::vector<uint8_t> plain = problem.compress(2, QuantiseMethod::kLllKbest, 2);
  EXPECT_EQ(plain, problem.compress(2, QuantiseMethod::kRtn, 2)) << "Z^n needs no search";
  problem.weights.assign(problem.weights.size(), 0);
  const CodedMatrix zero =
      decode_matrix(problem.compress(2, QuantiseMethod::kGptq, 2), kRows, kColumns, "test");
  EXPECT_EQ(zero.integers, std::vector<int32_t>(kRows * kColumns));
}

}  // namespace
}  // namespace cllm
