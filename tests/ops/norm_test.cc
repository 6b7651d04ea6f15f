#include "ops/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "reference/norm.h"
#include "testing_bounds.h"

namespace cllm::ops {
namespace {

using namespace cllm::testing;

constexpr float kEpsilon = 1e-5f;

struct Case {
  size_t N, C;
  std::vector<float> x, gain, bias, dy;
  Case(size_t rows, size_t width)
      : N(rows),
        C(width),
        x(random_vector(rows * width, 1)),
        gain(random_vector(width, 2)),
        bias(random_vector(width, 3)),
        dy(random_vector(rows * width, 4)) {}
  int64_t n() const { return static_cast<int64_t>(N); }
  int64_t c() const { return static_cast<int64_t>(C); }
};

struct Result {
  std::vector<float> y, mean, rstd, dx, dgain, dbias;
  std::vector<float> all() const {
    std::vector<float> out = y;
    for (const auto* part : {&mean, &rstd, &dx, &dgain, &dbias})
      out.insert(out.end(), part->begin(), part->end());
    return out;
  }
};

// The += outputs start at these values.
constexpr float kDxStart = 0.25f, kSumStart = 1.0f;

Result run_layer_norm(const Context& context, const Case& c, bool biased) {
  Result r;
  r.y.resize(c.N * c.C);
  r.mean.resize(c.N);
  r.rstd.resize(c.N);
  r.dx.assign(c.N * c.C, kDxStart);
  r.dgain.assign(c.C, kSumStart);
  r.dbias.assign(c.C, kSumStart);
  std::vector<float> scratch(norm_scratch(c.n(), c.c()), std::nanf(""));
  layer_norm_forward(context, c.n(), c.c(), kEpsilon, c.x.data(), c.gain.data(),
                     biased ? c.bias.data() : nullptr, r.y.data(), r.mean.data(), r.rstd.data());
  layer_norm_backward(context, c.n(), c.c(), c.x.data(), c.gain.data(), r.mean.data(),
                      r.rstd.data(), c.dy.data(), r.dx.data(), r.dgain.data(),
                      biased ? r.dbias.data() : nullptr, scratch.data());
  return r;
}

Result run_rms_norm(const Context& context, const Case& c, size_t stride, bool gained,
                    bool accumulate) {
  Result r;
  std::vector<float> x(c.N * stride, 9.0f), dy(c.N * stride, 9.0f);
  for (size_t n = 0; n < c.N; ++n) {
    std::copy_n(c.x.data() + n * c.C, c.C, x.data() + n * stride);
    std::copy_n(c.dy.data() + n * c.C, c.C, dy.data() + n * stride);
  }
  std::vector<float> y(c.N * stride, 9.0f), dx(c.N * stride, kDxStart);
  r.rstd.resize(c.N);
  r.dgain.assign(gained ? c.C : 0, kSumStart);
  std::vector<float> scratch(norm_scratch(c.n(), c.c()), std::nanf(""));
  const auto s = static_cast<int64_t>(stride);
  const float* gain = gained ? c.gain.data() : nullptr;
  rms_norm_forward(context, c.n(), c.c(), kEpsilon, x.data(), s, gain, y.data(), s, r.rstd.data());
  float* out = accumulate ? dx.data() : dy.data();  // without accumulation also in place
  rms_norm_backward(context, c.n(), c.c(), x.data(), s, gain, r.rstd.data(), dy.data(), s, out, s,
                    accumulate, gained ? r.dgain.data() : nullptr, scratch.data());
  for (size_t n = 0; n < c.N; ++n) {
    r.y.insert(r.y.end(), y.data() + n * stride, y.data() + n * stride + c.C);
    r.dx.insert(r.dx.end(), out + n * stride, out + n * stride + c.C);
    for (size_t i = c.C; i < stride; ++i) {
      EXPECT_EQ(y[n * stride + i], 9.0f);
      EXPECT_EQ(out[n * stride + i], accumulate ? kDxStart : 9.0f);
    }
  }
  return r;
}

// Row tolerances are derived in tests/kernels/norm_test.cc; here the worst row counts, and the
// sums over N rows add their own roundings (blocks of at most 2 * kLeastRows rows, then blocks).
struct Tolerance {
  double y, dx, sum;
  Tolerance(const kernels::Table& table, const Case& c, const std::vector<float>& rstd) {
    const double r = largest(rstd), h = 2 * r * largest(c.x), g = largest(c.gain);
    const double bound = sum_bound(table) + 4 * kUnit;
    y = 2 * bound * (1 + g * h);
    dx = 4 * bound * r * g * largest(c.dy) * (1 + h) * (1 + h);
    sum = (2 * bound + 64 * kUnit) * std::sqrt(static_cast<double>(c.N)) * largest(c.dy) * (1 + h);
  }
};

TEST(LayerNorm, ForwardAndBackwardMatchTheReference) {
  const Case c(37, 19);
  const auto zx = widen<Complex>(c.x), zgain = widen<Complex>(c.gain),
             zbias = widen<Complex>(c.bias);
  const auto with = [&](const auto& x, const auto& gain, const auto& bias) {
    return inner_product(c.dy, reference::layer_norm(c.C, kEpsilon, x, gain, bias));
  };
  auto dx = complex_step_gradient(c.x, [&](const auto& z) { return with(z, zgain, zbias); });
  auto dgain = complex_step_gradient(c.gain, [&](const auto& z) { return with(zx, z, zbias); });
  auto dbias = complex_step_gradient(c.bias, [&](const auto& z) { return with(zx, zgain, z); });
  for (double& value : dx)
    value += static_cast<double>(kDxStart);
  for (double& value : dgain)
    value += static_cast<double>(kSumStart);
  for (double& value : dbias)
    value += static_cast<double>(kSumStart);
  for_each_context([&](const Context& context) {
    for (const bool biased : {true, false}) {
      const Result r = run_layer_norm(context, c, biased);
      const Tolerance tolerance(context.kernels, c, r.rstd);
      const auto y = reference::layer_norm(c.C, kEpsilon, widen(c.x), widen(c.gain),
                                           biased ? widen(c.bias) : std::vector<double>{});
      EXPECT_TRUE(all_close(r.y, y, tolerance.y, 0));
      EXPECT_TRUE(all_close(r.dx, dx, tolerance.dx, 0));
      EXPECT_TRUE(all_close(r.dgain, dgain, tolerance.sum, 0));
      if (biased) {
        EXPECT_TRUE(all_close(r.dbias, dbias, tolerance.sum, 0));
      }
    }
  });
}

// Shapes of one block, many blocks, more than kMaxRowBlocks * kLeastRows rows.
TEST(LayerNorm, BitsDoNotDependOnThreads) {
  for (const auto& [rows, width] :
       std::vector<std::pair<size_t, size_t>>{{0, 5}, {1, 1}, {100, 130}, {1500, 33}}) {
    const Case c(rows, width);
    expect_same_bits_for_threads(
        [&](const Context& context) { return run_layer_norm(context, c, true).all(); });
  }
}

TEST(RmsNorm, ForwardAndBackwardMatchTheReference) {
  const Case c(37, 19);
  const auto zx = widen<Complex>(c.x), zgain = widen<Complex>(c.gain);
  for (const bool gained : {true, false}) {
    const auto gain = gained ? zgain : std::vector<Complex>{};
    const auto with = [&](const auto& x, const auto& g) {
      return inner_product(c.dy, reference::rms_norm(c.C, kEpsilon, x, g));
    };
    const auto dx = complex_step_gradient(c.x, [&](const auto& z) { return with(z, gain); });
    auto added = dx;
    for (double& value : added)
      value += static_cast<double>(kDxStart);
    auto dgain = complex_step_gradient(gained ? c.gain : std::vector<float>{},
                                       [&](const auto& z) { return with(zx, z); });
    for (double& value : dgain)
      value += static_cast<double>(kSumStart);
    const auto y = reference::rms_norm(c.C, kEpsilon, widen(c.x),
                                       gained ? widen(c.gain) : std::vector<double>{});
    for_each_context([&](const Context& context) {
      for (const bool accumulate : {true, false}) {
        const Result r = run_rms_norm(context, c, c.C + 3, gained, accumulate);
        const Tolerance tolerance(context.kernels, c, r.rstd);
        EXPECT_TRUE(all_close(r.y, y, tolerance.y, 0));
        EXPECT_TRUE(all_close(r.dx, accumulate ? added : dx, tolerance.dx, 0));
        EXPECT_TRUE(all_close(r.dgain, dgain, tolerance.sum, 0));
      }
    });
  }
}

TEST(RmsNorm, BitsDoNotDependOnThreads) {
  for (const auto& [rows, width] :
       std::vector<std::pair<size_t, size_t>>{{0, 5}, {1, 1}, {100, 130}, {1500, 33}}) {
    const Case c(rows, width);
    expect_same_bits_for_threads(
        [&](const Context& context) { return run_rms_norm(context, c, c.C, true, false).all(); });
  }
}

}  // namespace
}  // namespace cllm::ops
