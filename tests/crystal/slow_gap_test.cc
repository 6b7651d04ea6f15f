// The gaps to the bound of information theory that the reference tells of quantisers and lattices,
// measured with the product's own quantisers on synthetic normal weights.
#include <gtest/gtest.h>

#include <numbers>

#include "crystal/coordinates_rig.h"
#include "crystal/gap_rig.h"
#include "lattice/classical.h"
#include "lattice/decode.h"

namespace cllm {
namespace {

using testing::autoregressive;
using testing::hessian_of;
using testing::normal_weights;
using testing::power_law;
using testing::rate_bound;

// What the reference claims to: bits per weight.
constexpr double kClaimed = 0.02;

struct Measured {
  double gap = 0;
  double scatter = 0;  // of the mean
};

// Entropy of the integers less the bound at the error that they leave, over `rotations` rotations
// of the spectrum with 250 rows of weights each, at a step fitted to the entropy `bits`.
Measured measure(const std::vector<double>& eigenvalues, double bits,
                 const QuantiseOptions& options, size_t rotations) {
  constexpr size_t kRows = 250;
  const size_t n = eigenvalues.size();
  ThreadPool pool(2);
  double sum = 0, squares = 0;
  for (size_t seed = 1; seed <= rotations; ++seed) {
    const std::vector<double> h = hessian_of(eigenvalues, seed);
    const std::vector<float> w = normal_weights(kRows * n, seed);
    const QuantiseProblem problem{.weights = w, .rows = kRows, .columns = n, .hessian = h};
    const double step = step_for_entropy(problem, bits, options, pool, 64);
    const Quantised found = quantise(problem, {&step, 1}, options, pool);
    const double error = found.error / static_cast<double>(kRows * n);
    const double gap = empirical_entropy(found.integers) - rate_bound(eigenvalues, error);
    sum += gap;
    squares += gap * gap;
  }
  const auto count = static_cast<double>(rotations);
  const double mean = sum / count;
  return {mean, std::sqrt(std::max(0.0, squares / count - mean * mean) / (count - 1))};
}

// One line of the reference's table: n = 64.
struct Line {
  bool power;
  double bits;
  double gptq, gptq_augmented, babai, kbest;
};
constexpr Line kLines[] = {
    {true, 2, 0.449, 0.350, 0.281, 0.114},  {true, 3, 0.378, 0.366, 0.279, 0.107},
    {true, 4, 0.368, 0.368, 0.286, 0.103},  {false, 2, 0.636, 0.499, 0.325, 0.116},
    {false, 3, 0.569, 0.521, 0.332, 0.119}, {false, 4, 0.558, 0.549, 0.342, 0.120},
};

// The gap depends on the rotation drawn: its deviation is 0.03 (power law) and 0.06 (AR) for the
// plane in the plain basis, 0.010 and 0.015 after LLL, 0.007 and 0.010 for K-best. With these
// numbers of rotations the mean's own deviation stays below 0.008, 0.005 and 0.004; three of these
// are allowed on top of the claim. The reference does not say over how many rotations it went.
void expect_line(QuantiseMethod method, bool augment, double Line::*column, size_t rotations) {
  for (const Line& line : kLines) {
    const std::vector<double> eigenvalues =
        line.power ? power_law(64, 1.5) : autoregressive(64, 0.95);
    const Measured found =
        measure(eigenvalues, line.bits, {.method = method, .augment = augment}, rotations);
    EXPECT_NEAR(found.gap, line.*column, kClaimed + 3 * found.scatter)
        << (line.power ? "power law, " : "AR, ") << line.bits << " bits";
    ::testing::Test::RecordProperty(fmt::format("{}_{}", line.power ? "power" : "ar", line.bits),
                                    fmt::format("{:.4f} +- {:.4f}", found.gap, found.scatter));
  }
}

TEST(Gap, Gptq) {
  expect_line(QuantiseMethod::kGptq, false, &Line::gptq, 64);
}
TEST(Gap, GptqAugmented) {
  expect_line(QuantiseMethod::kGptq, true, &Line::gptq_augmented, 64);
}
TEST(Gap, LllBabai) {
  expect_line(QuantiseMethod::kLllBabai, true, &Line::babai, 16);
}
TEST(Gap, LllKbest) {
  expect_line(QuantiseMethod::kLllKbest, true, &Line::kbest, 8);
}

// For H = I every method is the entropy-coded scalar quantiser, log2(2 pi e / 12) / 2 from the
// bound at a high rate. 16000 symbols a rotation, 16 of them: the entropy scatters by 0.7 /
// sqrt(256000) = 0.0014 bits and is low by some 30 symbols / (2 ln 2 16000) = 0.0014.
TEST(Gap, ScalarOnIndependentInputs) {
  const std::vector<double> ones(64, 1);
  const Measured found = measure(ones, 4, {.method = QuantiseMethod::kRtn, .augment = false}, 16);
  EXPECT_NEAR(found.gap, 0.2546, 4 * 0.0014 + 0.0014);
}

// Integers are coded where they were, not in the reduced basis: the same points take more there,
// 0.3 to 2.5 bits by the reference. With probabilities of each coordinate's own it is no better.
TEST(Gap, CoordinatesInTheReducedBasisTakeMore) {
  ThreadPool pool(2);
  for (const bool power : {true, false}) {
    const std::vector<double> eigenvalues = power ? power_law(64, 1.5) : autoregressive(64, 0.95);
    const std::vector<double> h = hessian_of(eigenvalues, 1);
    const std::vector<float> w = normal_weights(size_t{400} * 64, 1);
    for (const double bits : {2.0, 4.0}) {
      const testing::CoordinateReport found = testing::compare_coordinates(
          {.weights = w, .rows = 400, .columns = 64, .hessian = h}, bits, pool);
      EXPECT_NEAR(found.original.entropy, bits, 0.02);
      EXPECT_GT(found.reduced.entropy, found.original.entropy + 0.3);
      EXPECT_GT(found.reduced.coded, found.original.coded + 0.3);
      EXPECT_GT(found.reduced.entropy_by_column, found.original.entropy_by_column);
      ::testing::Test::RecordProperty(
          fmt::format("{}_{}", power ? "power" : "ar", bits),
          fmt::format("{:.3f} -> {:.3f}, by column {:.3f} -> {:.3f}", found.original.entropy,
                      found.reduced.entropy, found.original.entropy_by_column,
                      found.reduced.entropy_by_column));
    }
  }
}

// For H = I the basis is reduced already: the coordinates are the same but for order and signs.
TEST(Gap, CoordinatesStayWhereTheBasisIsReduced) {
  ThreadPool pool(2);
  std::vector<double> identity(64);
  for (size_t i = 0; i < 8; ++i)
    identity[9 * i] = 1;
  const std::vector<float> w = normal_weights(size_t{500} * 8, 3);
  const testing::CoordinateReport found = testing::compare_coordinates(
      {.weights = w, .rows = 500, .columns = 8, .hessian = identity}, 4, pool);
  EXPECT_NEAR(found.reduced.entropy_by_column, found.original.entropy_by_column, 1e-9);
}

struct LatticeLine {
  lattice::Classical lattice;
  double left;  // to the limit
};

// Normal numbers quantised in a classical lattice at 4 bits. The points' probability is the density
// times the volume of a cell, to the order of the fourth power of the cell over the deviation, so
// the code length of a point x is -log2(density(x) volume). Its mean over M numbers scatters by
// log2(e) / 2 sqrt(2 / M) bits, most of which a control, the mean square of the numbers
// themselves, takes away; the error's own part is below 0.002 for M = 10^5.
TEST(Gap, ClassicalLattices) {
  constexpr double kBits = 4, kTolerance = 0.005;
  for (const LatticeLine& line :
       {LatticeLine{lattice::Classical::kD4, 0.194}, LatticeLine{lattice::Classical::kE8, 0.146},
        LatticeLine{lattice::Classical::kBw16, 0.111},
        LatticeLine{lattice::Classical::kLeech, 0.084}}) {
    const lattice::ClassicalFacts& facts = lattice::facts(line.lattice);
    const size_t n = facts.dimension, count = 96'000 / n;
    const auto dimension = static_cast<double>(n), total = static_cast<double>(n * count);
    const double entropy = std::log2(2 * std::numbers::pi * std::numbers::e) / 2;
    const double scale = std::exp2(entropy - kBits - std::log2(facts.volume) / dimension);
    const std::vector<float> x = normal_weights(n * count, n);
    std::vector<double> targets(n * count);
    std::vector<int64_t> points(n * count);
    for (size_t i = 0; i < targets.size(); ++i)
      targets[i] = x[i] / scale / lattice::coordinate_scale(line.lattice, i / count);
    lattice::decode(line.lattice, targets, count, points);
    double error = 0, squares = 0, control = 0;
    for (size_t i = 0; i < targets.size(); ++i) {
      const double point = static_cast<double>(points[i]) * scale *
                           lattice::coordinate_scale(line.lattice, i / count);
      error += (x[i] - point) * (x[i] - point) / total;
      squares += point * point / total;
      control += (static_cast<double>(x[i]) * x[i] - 1) / total;
    }
    const double rate =
        (std::log2(2 * std::numbers::pi) + (squares - control) * std::numbers::log2e) / 2 -
        std::log2(scale) - std::log2(facts.volume) / dimension;
    EXPECT_NEAR(rate - std::log2(1 / error) / 2, line.left, kTolerance) << facts.name;
  }
}

}  // namespace
}  // namespace cllm
