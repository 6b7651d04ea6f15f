#include "optim/muon.h"

#include <gtest/gtest.h>

#include "muon_golden.h"
#include "tensor/arena.h"
#include "testing_bounds.h"

namespace cllm::optim {
namespace {

using namespace cllm::testing;

// Two matrices of one thread each and one of all, with a gap before, between and behind them.
const std::vector<MuonMatrix> kMatrices = {{5, 40, 16}, {700, 257, 260}, {68000, 16, 30}};
constexpr size_t kCount = 68500;

std::vector<float> run(const ops::Context& context, const Muon& options, int steps) {
  std::vector<float> weights = random_vector(kCount, 1), momentum(kCount);
  Arena scratch(muon_scratch(context, kMatrices), "a test");
  for (int step = 0; step < steps; ++step)
    muon_step(MuonThreads(context), options, kMatrices, 0.02, 0.5f,
              random_vector(kCount, static_cast<uint64_t>(10 + step)).data(), weights.data(),
              momentum.data(), scratch.data());
  weights.insert(weights.end(), momentum.begin(), momentum.end());
  return weights;
}

// Four updates of sqrt(2.5) * 0.08 at most, each good to the tolerance of orthogonalise_test.cc
// (1.2e-4), which the next direction does not amplify: it depends on gradients only.
TEST(Muon, FollowsTheOutsideTrajectory) {
  for (const auto& golden : muon_golden("trajectories")) {
    const int64_t rows = golden["rows"], columns = golden["columns"];
    const std::vector<MuonMatrix> matrices = {{0, rows, columns}};
    for_each_context([&](const ops::Context& context) {
      std::vector<float> weights = floats_of(golden["weights"]), momentum(weights.size());
      Arena scratch(muon_scratch(context, matrices), "a test");
      for (int step = 0; step < 4; ++step)
        muon_step(MuonThreads(context), {0.9 + 0.01 * step, 0.1, golden["cautious"]}, matrices,
                  0.02 * (step + 1), 0.5f,
                  floats_of(golden["gradients"][static_cast<size_t>(step)]).data(), weights.data(),
                  momentum.data(), scratch.data());
      EXPECT_TRUE(all_close(weights, doubles_of(golden["weights_after"]), 4 * 0.13 * 1.2e-4, 0));
      EXPECT_TRUE(all_close(momentum, doubles_of(golden["momentum_after"]), 16 * kUnit, 0));
    });
  }
}

TEST(Muon, LeavesGapsUntouchedAndBitsDoNotDependOnThreads) {
  const std::vector<float> start = random_vector(kCount, 1);
  expect_same_bits_for_threads([&](const ops::Context& context) {
    const std::vector<float> after = run(context, {}, 3);
    for (size_t i = 0; i < kCount; ++i) {
      const bool inside = (i >= 5 && i < 5 + 640) || (i >= 700 && i < 700 + 257 * 260) ||
                          (i >= 68000 && i < 68000 + 480);
      EXPECT_EQ(after[i] != start[i], inside) << i;
      EXPECT_EQ(after[kCount + i] != 0, inside) << i;
    }
    return after;
  });
}

// A decay that is cautious pulls fewer weights towards zero than one that is not.
TEST(Muon, CautiousDecayIsBetweenNoneAndFull) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  const auto norm = [&](double decay, bool cautious) {
    const std::vector<float> after = run(context, {0.95, decay, cautious}, 1);
    double sum = 0;
    for (size_t i = 0; i < kCount; ++i)
      sum += std::abs(static_cast<double>(after[i]));
    return sum;
  };
  EXPECT_LT(norm(0.5, false), norm(0.5, true));
  EXPECT_LT(norm(0.5, true), norm(0, false));
}

TEST(MuonMomentum, WarmsUpOnce) {
  EXPECT_EQ(muon_momentum(0.95, 0, 1), 0.95);
  EXPECT_DOUBLE_EQ(muon_momentum(0.95, 200, 100), 0.9);
  EXPECT_EQ(muon_momentum(0.95, 200, 200), 0.95);
  EXPECT_EQ(muon_momentum(0.95, 200, 100000), 0.95);
  EXPECT_EQ(muon_momentum(0.5, 200, 7), 0.5) << "a low momentum is no reason to start higher";
}

}  // namespace
}  // namespace cllm::optim
