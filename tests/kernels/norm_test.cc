// LayerNorm and RMSNorm of one row: every table and storage, lengths around the vector
// width, misaligned. Statistics, parameters and their gradients are fp32 whatever the storage.
#include "reference/norm.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing_bounds.h"
#include "testing_storage.h"

namespace cllm::testing {
namespace {

constexpr float kEpsilon = 1e-5f;

template <class S>
class NormRows : public ::testing::Test {};
TYPED_TEST_SUITE(NormRows, Storages);

// x, dy and dx are representable in S.
template <class S>
struct Row {
  std::vector<float> x, gain, bias, dy, dx;

  explicit Row(size_t n)
      : x(random_vector(n, 1)),
        gain(random_vector(n, 2)),
        bias(random_vector(n, 3)),
        dy(random_stored<S>(n, 4)),
        dx(random_stored<S>(n, 5)) {
    for (float& value : x)
      value += 0.5f;
    x = floats_of(stored<S>(x));
  }
};

template <class S, class Body>
void for_each_row(Body body) {
  for_each_table([&](const kernels::Table& table) {
    for (const int64_t n : lengths_for(table)) {
      if (n == 0) continue;
      for (const size_t offset : {0, 1}) {
        SCOPED_TRACE("n=" + std::to_string(n) + " offset=" + std::to_string(offset));
        body(table, n, offset, Row<S>(static_cast<size_t>(n)));
      }
    }
  });
}

double centered(const std::vector<float>& x, double mean) {
  double m = 0;
  for (const float value : x)
    m = std::max(m, std::abs(static_cast<double>(value) - mean));
  return m;
}

// The error of y comes from the mean (sum_bound of the mean magnitude, times rstd) and from rstd
// and the products (sum_bound / 2 and six roundings of the normalised value).
TYPED_TEST(NormRows, LayerNormForward) {
  using S = TypeParam;
  for_each_row<S>([](const kernels::Table& table, int64_t n, size_t offset, const Row<S>& row) {
    const auto size = static_cast<size_t>(n);
    const auto wide = widen(row.x);
    const auto truth = reference::row_statistics(size, kEpsilon, wide.data());
    const double bound = sum_bound(table), scale = largest(row.gain) * truth.rstd * largest(row.x);
    for (const bool biased : {true, false}) {
      const auto expected = reference::layer_norm(size, kEpsilon, wide, widen(row.gain),
                                                  biased ? widen(row.bias) : std::vector<double>{});
      StorageSpan<S> x(row.x, offset), y(row.x, offset);
      float mean = 0, rstd = 0;
      table.of<S>().rows.layer_norm(n, kEpsilon, x.data(), row.gain.data(),
                                    biased ? row.bias.data() : nullptr, y.data(), &mean, &rstd);
      EXPECT_NEAR(mean, truth.mean, (bound + kUnit) * largest(row.x));
      EXPECT_NEAR(rstd, truth.rstd, (bound + 4 * kUnit) * truth.rstd);
      EXPECT_TRUE(
          stored_close<S>(y.values(), expected, 2 * (bound + 4 * kUnit) * scale, 2 * kUnit));
      EXPECT_TRUE(y.intact());
      table.of<S>().rows.layer_norm(n, kEpsilon, x.data(), row.gain.data(),
                                    biased ? row.bias.data() : nullptr, x.data(), &mean, &rstd);
      EXPECT_TRUE(same_bits(x.values(), y.values())) << "in place";
    }
  });
}

// A large common offset must not destroy the variance (a one-pass formula would lose all digits).
TEST(NormKernels, LayerNormSurvivesALargeMean) {
  for_each_table([](const kernels::Table& table) {
    std::vector<float> x(256), gain(256, 1.0f), y(256);
    for (size_t i = 0; i < x.size(); ++i)
      x[i] = 10000.0f + static_cast<float>(i % 2);
    float mean = 0, rstd = 0;
    table.of<float>().rows.layer_norm(256, 0.0f, x.data(), gain.data(), nullptr, y.data(), &mean,
                                      &rstd);
    EXPECT_NEAR(rstd, 2.0, 2e-6);
    EXPECT_NEAR(y[0], -1.0, 2e-6);
  });
}

// With h the normalised row, T = rstd max|dy gain| (1 + max|h|)^2 bounds every term of dx; each
// is wrong by a few sum_bound, and h itself by rstd |x| of the same.
TYPED_TEST(NormRows, LayerNormBackward) {
  using S = TypeParam;
  for_each_row<S>([](const kernels::Table& table, int64_t n, size_t offset, const Row<S>& row) {
    if (offset != 0 && n > 64) return;
    const auto size = static_cast<size_t>(n);
    const auto with = [&](const auto& x, const auto& gain, const auto& bias) {
      return inner_product(row.dy, reference::layer_norm(size, kEpsilon, x, gain, bias));
    };
    const auto x = widen<Complex>(row.x), gain = widen<Complex>(row.gain),
               bias = widen<Complex>(row.bias);
    auto dx = complex_step_gradient(row.x, [&](const auto& z) { return with(z, gain, bias); });
    auto dgain = complex_step_gradient(row.gain, [&](const auto& z) { return with(x, z, bias); });
    auto dbias = complex_step_gradient(row.bias, [&](const auto& z) { return with(x, gain, z); });
    for (size_t i = 0; i < size; ++i) {
      dx[i] += static_cast<double>(row.dx[i]);
      dgain[i] += 1;
      dbias[i] += 2;
    }
    StorageSpan<S> x_stored(row.x, offset), y(row.x, 0), dy(row.dy, offset), out(row.dx, offset);
    StorageSpan<float> sum_gain(std::vector<float>(size, 1.0f), offset),
        sum_bias(std::vector<float>(size, 2.0f), offset);
    float mean = 0, rstd = 0;
    const auto& rows = table.of<S>().rows;
    rows.layer_norm(n, kEpsilon, x_stored.data(), row.gain.data(), nullptr, y.data(), &mean, &rstd);
    rows.layer_norm_backward(n, x_stored.data(), row.gain.data(), mean, rstd, dy.data(), out.data(),
                             sum_gain.data(), sum_bias.data());
    const double r = static_cast<double>(rstd), h = r * centered(row.x, static_cast<double>(mean));
    const double spread = 1 + r * largest(row.x), d = largest(row.dy), g = d * largest(row.gain);
    const double bound = sum_bound(table) + 4 * kUnit;
    EXPECT_TRUE(stored_close<S>(out.values(), dx, 4 * bound * r * g * (1 + h) * (1 + h) * spread,
                                2 * kUnit));
    EXPECT_TRUE(all_close(sum_gain.values(), dgain, 2 * bound * d * (h + spread), 2 * kUnit));
    EXPECT_TRUE(all_close(sum_bias.values(), dbias, 0, 2 * kUnit));
    EXPECT_TRUE(out.intact() && sum_gain.intact() && sum_bias.intact());
    StorageSpan<S> again(row.dx, offset);
    StorageSpan<float> other(std::vector<float>(size, 1.0f), offset);
    rows.layer_norm_backward(n, x_stored.data(), row.gain.data(), mean, rstd, dy.data(),
                             again.data(), other.data(), nullptr);
    EXPECT_TRUE(same_bits(again.values(), out.values()) &&
                same_bits(other.values(), sum_gain.values()));
  });
}

TYPED_TEST(NormRows, RmsNormForward) {
  using S = TypeParam;
  for_each_row<S>([](const kernels::Table& table, int64_t n, size_t offset, const Row<S>& row) {
    const auto size = static_cast<size_t>(n);
    const double bound = sum_bound(table) / 2 + 6 * kUnit;
    for (const bool gained : {true, false}) {
      const auto expected = reference::rms_norm(size, kEpsilon, widen(row.x),
                                                gained ? widen(row.gain) : std::vector<double>{});
      StorageSpan<S> x(row.x, offset), y(row.x, offset);
      const float* gain = gained ? row.gain.data() : nullptr;
      const float rstd = table.of<S>().rows.rms_norm(n, kEpsilon, x.data(), gain, y.data());
      const auto wide = widen(row.x);
      const double truth = reference::row_root_mean_square_inverse(size, kEpsilon, wide.data());
      EXPECT_NEAR(rstd, truth, bound * truth);
      EXPECT_TRUE(stored_close<S>(y.values(), expected, 0, bound));
      EXPECT_TRUE(y.intact());
      table.of<S>().rows.rms_norm(n, kEpsilon, x.data(), gain, x.data());
      EXPECT_TRUE(same_bits(x.values(), y.values())) << "in place";
    }
  });
}

TYPED_TEST(NormRows, RmsNormBackward) {
  using S = TypeParam;
  for_each_row<S>([](const kernels::Table& table, int64_t n, size_t offset, const Row<S>& row) {
    if (offset != 0 && n > 64) return;
    const auto size = static_cast<size_t>(n);
    for (const bool gained : {true, false}) {
      const std::vector<float> no_gain;
      const auto with = [&](const auto& x, const auto& gain) {
        return inner_product(row.dy, reference::rms_norm(size, kEpsilon, x, gain));
      };
      const auto x = widen<Complex>(row.x), gain = widen<Complex>(gained ? row.gain : no_gain);
      auto dx = complex_step_gradient(row.x, [&](const auto& z) { return with(z, gain); });
      auto dgain = complex_step_gradient(gained ? row.gain : no_gain,
                                         [&](const auto& z) { return with(x, z); });
      for (double& value : dgain)
        value += 1;
      const auto& rows = table.of<S>().rows;
      const float* g = gained ? row.gain.data() : nullptr;
      StorageSpan<S> x_stored(row.x, offset), y(row.x, 0), dy(row.dy, offset);
      const float rstd = rows.rms_norm(n, kEpsilon, x_stored.data(), g, y.data());
      StorageSpan<S> out(row.dy, offset), added(row.dx, offset);
      StorageSpan<float> sum(std::vector<float>(dgain.size(), 1.0f), offset);
      rows.rms_norm_backward(n, x_stored.data(), g, rstd, out.data(), false, out.data(),
                             gained ? sum.data() : nullptr);
      rows.rms_norm_backward(n, x_stored.data(), g, rstd, dy.data(), true, added.data(), nullptr);
      const double r = static_cast<double>(rstd), h = r * largest(row.x), d = largest(row.dy);
      const double scale = r * d * (gained ? largest(row.gain) : 1) * (1 + h) * (1 + h);
      const double bound = sum_bound(table) + 4 * kUnit;
      EXPECT_TRUE(stored_close<S>(out.values(), dx, 2 * bound * scale, 0));
      EXPECT_TRUE(all_close(sum.values(), dgain, bound * d * h, 2 * kUnit));
      for (size_t i = 0; i < size; ++i)
        dx[i] += static_cast<double>(row.dx[i]);
      EXPECT_TRUE(stored_close<S>(added.values(), dx, 2 * bound * scale, 2 * kUnit));
      EXPECT_TRUE(out.intact() && added.intact() && sum.intact());
    }
  });
}

}  // namespace
}  // namespace cllm::testing
