// Training with 16-bit activations and with less kept: the gradients must be those of fp32 up to
// the rounding of what is stored, and recomputation must not change them at all.
#include <gtest/gtest.h>

#include <algorithm>

#include "decoder_problem.h"

namespace cllm {
namespace {

using nn::Recompute;
using ops::Storage;
using testing::Problem;

// ||a - b|| / ||b||; NaN if anything is not finite.
double distance(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> difference(a.size());
  for (size_t i = 0; i < a.size(); ++i)
    difference[i] = a[i] - b[i];
  const auto count = static_cast<int64_t>(a.size());
  return testing::norm_of(difference.data(), count) / testing::norm_of(b.data(), count);
}

double half_unit(Storage storage) {
  return storage == Storage::kBf16 ? 0x1p-9 : 0x1p-12;
}

// How much a relative error of the parameters grows on its way to the gradients: 4 to 6 in most of
// these models, but norms over 8 numbers can make 50 of it.
double amplification(const Problem& problem, const testing::Result& exact,
                     const ops::Context& context) {
  constexpr float kError = 0x1p-14f;
  Problem moved = problem;
  const auto noise = testing::random_vector(moved.weights.size(), 9);
  for (size_t i = 0; i < noise.size(); ++i)
    moved.weights[i] *= 1 + kError * noise[i];
  return distance(testing::run(moved, context).gradients, exact.gradients) / double{kError};
}

// About thirty roundings of half a unit lie one after the other between a token and its gradient in
// these two layers. Their sum is 8.6 times the effect of one such error of every parameter in the
// worst of these models (half of them: below 1), in both formats alike; each kernel by itself is
// held to one rounding in tests/kernels.
constexpr double kRoundings = 15;
// No bound may reach what a gradient of zeros is off, 1; the worst of these models is off by 0.32.
constexpr double kMost = 0.5;

TEST(SessionStorage, SixteenBitGradientsAreThoseOfFp32UpToTheirRounding) {
  ThreadPool pool(2);
  for (int bits = 0; bits < testing::kCombinations; bits += 113) {
    const ModelConfig config = testing::combination(bits);
    SCOPED_TRACE(testing::describe(config));
    const Problem problem(config);
    testing::for_each_table([&](const kernels::Table& table) {
      const ops::Context context{pool, table};
      const testing::Result exact = testing::run(problem, context);
      const double grown = kRoundings * amplification(problem, exact, context);
      for (const Storage storage : {Storage::kBf16, Storage::kFp16}) {
        SCOPED_TRACE(storage == Storage::kBf16 ? "bf16" : "fp16");
        const testing::Result result = testing::run(problem, context, storage);
        EXPECT_LE(std::abs(result.loss / exact.loss - 1), 50 * half_unit(storage));
        const double d = distance(result.gradients, exact.gradients);
        const double bound = std::min(grown * half_unit(storage), kMost);
        EXPECT_TRUE(d <= bound) << d << " of " << bound;
        EXPECT_GT(d, 0) << "nothing was rounded";
      }
    });
  }
}

TEST(SessionStorage, RecomputingBlocksGivesTheSameBits) {
  ThreadPool pool(3);
  for (int bits = 0; bits < testing::kCombinations; bits += 127) {
    const ModelConfig config = testing::combination(bits);
    SCOPED_TRACE(testing::describe(config));
    const Problem problem(config);
    testing::for_each_table([&](const kernels::Table& table) {
      for (const Storage storage : {Storage::kFp32, Storage::kBf16, Storage::kFp16}) {
        const testing::Result kept = testing::run(problem, {pool, table}, storage);
        const testing::Result again =
            testing::run(problem, {pool, table}, storage, Recompute::kBlock);
        EXPECT_EQ(again.loss, kept.loss);
        EXPECT_TRUE(testing::same_bits(again.gradients, kept.gradients));
        const testing::Result cheap =
            testing::run(problem, {pool, table}, storage, Recompute::kCheap);
        EXPECT_EQ(cheap.loss, kept.loss);
        // In 16 bits the activation is made from the rounded hidden layer, at first from the sums.
        if (storage == Storage::kFp32)
          EXPECT_TRUE(testing::same_bits(cheap.gradients, kept.gradients));
        else
          EXPECT_LE(distance(cheap.gradients, kept.gradients), 50 * half_unit(storage));
      }
    });
  }
}

TEST(SessionStorage, RecomputingAndSixteenBitsNeedLessMemory) {
  ThreadPool pool(1);
  ModelConfig config = testing::tiny();
  config.layers = 12;
  config.width = 64;
  config.mlp_width = 256;
  config.context_length = 64;
  const Transformer model(config, testing::test_codes(config));
  const ops::Context context{pool, kernels::chosen_table()};
  const auto activations = [&](Storage storage, Recompute recompute) {
    const Planner plan = Session::plan_only(
        model, context,
        {.B = 64, .T = 64, .S = 64, .training = true, .storage = storage, .recompute = recompute});
    int64_t permanent = 0;
    for (const Planner::Entry& entry : plan.entries())
      if (entry.last > (int64_t{1} << 40)) permanent += entry.floats;
    return static_cast<double>(plan.arena_floats() - permanent);
  };
  const double all = activations(Storage::kFp32, Recompute::kNone);
  // 16 C per token and layer are kept (and some statistics); cheap gives up 6 of them, block 15.
  EXPECT_LT(activations(Storage::kFp32, Recompute::kCheap), 0.75 * all);
  EXPECT_LT(activations(Storage::kFp32, Recompute::kBlock), 0.3 * all);
  EXPECT_LT(activations(Storage::kBf16, Recompute::kNone), 0.56 * all);
}

}  // namespace
}  // namespace cllm
