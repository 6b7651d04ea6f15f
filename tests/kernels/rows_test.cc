// Elementwise, dropout, gated activation and rotary kernels: every table and storage, lengths
// around the vector width, misaligned pointers, nothing written outside. Inputs are representable;
// bounds are those of fp32 and one rounding of the result.
#include "kernels/rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "reference/elementwise.h"
#include "reference/gemm.h"
#include "testing_bounds.h"
#include "testing_storage.h"

namespace cllm::testing {
namespace {

template <class S>
class Rows : public ::testing::Test {};
TYPED_TEST_SUITE(Rows, Storages);

// Calls body(table, n, offset) for every table, length and misalignment.
template <class Body>
void for_each_length(Body body) {
  for_each_table([&](const kernels::Table& table) {
    for (const int64_t n : lengths_for(table)) {
      for (const size_t offset : {0, 1, 3}) {
        SCOPED_TRACE("n=" + std::to_string(n) + " offset=" + std::to_string(offset));
        body(table, n, offset);
      }
    }
  });
}

TYPED_TEST(Rows, AddAndAccumulateRoundOnce) {
  using S = TypeParam;
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto& rows = table.of<S>().rows;
    const auto size = static_cast<size_t>(n);
    const auto a = random_stored<S>(size, 1), b = random_stored<S>(size, 2);
    const auto start = random_vector(size, 3);
    std::vector<float> sum(size), accumulated(size);
    for (size_t i = 0; i < size; ++i) {
      sum[i] = static_cast<float>(nearest<S>(static_cast<double>(a[i] + b[i])));
      accumulated[i] = start[i] + b[i];
    }
    StorageSpan<S> x(a, offset), y(b, offset), out(b, offset);
    rows.add(n, x.data(), y.data(), out.data());
    EXPECT_TRUE(same_bits(out.values(), sum));
    rows.add(n, x.data(), y.data(), x.data());
    EXPECT_TRUE(same_bits(x.values(), sum));
    StorageSpan<float> total(start, offset);
    rows.accumulate(n, y.data(), total.data());
    EXPECT_TRUE(same_bits(total.values(), accumulated));
    EXPECT_TRUE(out.intact() && x.intact() && total.intact());
  });
}

TYPED_TEST(Rows, EmbedAddsThePositionOrCopies) {
  using S = TypeParam;
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto size = static_cast<size_t>(n);
    const auto token = random_vector(size, 1), position = random_vector(size, 2);
    std::vector<float> sum(size), copy(size), three(size);
    for (size_t i = 0; i < size; ++i) {
      const float two = token[i] + position[i];
      sum[i] = static_cast<float>(nearest<S>(static_cast<double>(two)));
      three[i] = static_cast<float>(nearest<S>(static_cast<double>(two + token[i])));
      copy[i] = static_cast<float>(nearest<S>(static_cast<double>(token[i])));
    }
    StorageSpan<S> out(copy, offset);
    const float* rows[] = {token.data(), position.data(), token.data()};
    table.of<S>().rows.embed(n, 1, rows, out.data());
    EXPECT_TRUE(same_bits(out.values(), copy));
    table.of<S>().rows.embed(n, 2, rows, out.data());
    EXPECT_TRUE(same_bits(out.values(), sum));
    table.of<S>().rows.embed(n, 3, rows, out.data());
    EXPECT_TRUE(same_bits(out.values(), three));
    EXPECT_TRUE(out.intact());
  });
}

// Each column is a chain of at most rows/4 + 3 additions, each after at most two in its group.
TYPED_TEST(Rows, SumRowsAddsEveryRow) {
  using S = TypeParam;
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    if (n > 129) return;
    for (const int64_t rows : {0, 1, 3, 4, 5, 11}) {
      const auto size = static_cast<size_t>(n), stride = size + 3;
      const auto values = random_stored<S>(static_cast<size_t>(rows) * stride, 3);
      std::vector<double> expected(size), magnitude(size);
      for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
        for (size_t i = 0; i < size; ++i) {
          expected[i] += static_cast<double>(values[row * stride + i]);
          magnitude[i] += std::abs(static_cast<double>(values[row * stride + i]));
        }
      }
      StorageSpan<S> x(values, offset);
      StorageSpan<float> out(random_vector(size, 4), offset);
      table.of<S>().rows.sum_rows(rows, n, x.data(), static_cast<int64_t>(stride), out.data());
      EXPECT_TRUE(all_close(out.values(), expected, 8 * kUnit * largest(magnitude), 0));
      EXPECT_TRUE(out.intact());
    }
  });
}

TYPED_TEST(Rows, DropoutFollowsThePhiloxWordsOfItsElements) {
  using S = TypeParam;
  const kernels::PhiloxStream stream = {0x123456789abcdef0u, 77,
                                        static_cast<uint32_t>(RandomStream::kDropout) | 5u << 8};
  for_each_length([&](const kernels::Table& table, int64_t n, size_t offset) {
    for (const int64_t first : {int64_t{0}, int64_t{3}, int64_t{8192}, int64_t{1} << 35}) {
      const auto x = random_stored<S>(static_cast<size_t>(n), 5);
      std::vector<float> expected;
      for (int64_t i = 0; i < n; ++i)
        expected.push_back(
            reference::dropout_keeps(0.25, stream.seed, 77, 5, static_cast<uint64_t>(first + i))
                ? static_cast<float>(
                      nearest<S>(static_cast<double>(x[static_cast<size_t>(i)] * 1.5f)))
                : 0.0f);
      StorageSpan<S> in(x, offset), out(x, offset);
      table.of<S>().rows.dropout(&stream, first, n, 1u << 30, 1.5f, in.data(), out.data());
      EXPECT_TRUE(same_bits(out.values(), expected));
      table.of<S>().rows.dropout(&stream, first, n, 1u << 30, 1.5f, in.data(), in.data());
      EXPECT_TRUE(same_bits(in.values(), expected));
      EXPECT_TRUE(in.intact() && out.intact());
    }
  });
}

// A dropped infinity must not turn into NaN.
TYPED_TEST(Rows, DropoutChoosesInsteadOfMultiplyingByZero) {
  using S = TypeParam;
  const kernels::PhiloxStream stream = {1, 2, 3};
  for_each_table([&](const kernels::Table& table) {
    const std::vector<float> infinite(100, std::numeric_limits<float>::infinity());
    StorageSpan<S> x(infinite, 0);
    table.of<S>().rows.dropout(&stream, 0, 100, 1u << 31, 2.0f, x.data(), x.data());
    for (const float value : x.values())
      EXPECT_TRUE(value == 0 || std::isinf(value));
  });
}

// gelu: 8 units for the product with a sigmoid, and those of its argument, which count |argument|
// fold; the reference's 1 + tanh is itself exact to 2^-53 |x|. relu2 rounds once.
TYPED_TEST(Rows, ActivateIsTheActivationOfProducts) {
  using S = TypeParam;
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto x = random_stored<S>(static_cast<size_t>(n), 13, 2);
    std::vector<double> gelu, relu2;
    for (const float value : x) {
      gelu.push_back(reference::gelu(static_cast<double>(value)));
      relu2.push_back(std::pow(std::max(static_cast<double>(value), 0.0), 2));
    }
    const double argument = 2 * largest(x) * (1 + largest(x) * largest(x) / 20);
    const auto& rows = table.of<S>().rows;
    StorageSpan<S> in(x, offset), out(x, offset);
    rows.activate(kernels::Activation::kGelu, n, in.data(), out.data());
    EXPECT_TRUE(stored_close<S>(out.values(), gelu, 1e-15, (8 + 4 * argument) * kUnit));
    rows.activate(kernels::Activation::kRelu2, n, in.data(), out.data());
    EXPECT_TRUE(stored_close<S>(out.values(), relu2, 0, kUnit));
    EXPECT_TRUE(out.intact());
    rows.activate(kernels::Activation::kRelu2, n, in.data(), in.data());
    EXPECT_TRUE(same_bits(in.values(), out.values()));
  });
}

// sigmoid: 4 units for exp, 2 for addition and division; 2 products: 8 units of the result.
TYPED_TEST(Rows, SwigluMatchesTheReference) {
  using S = TypeParam;
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto size = static_cast<size_t>(n);
    const auto gate = random_stored<S>(size, 6, 4), up = random_stored<S>(size, 7);
    std::vector<double> expected;
    for (size_t i = 0; i < size; ++i)
      expected.push_back(reference::silu(static_cast<double>(gate[i])) *
                         static_cast<double>(up[i]));
    StorageSpan<S> g(gate, offset), u(up, offset), y(up, offset);
    table.of<S>().rows.swiglu(n, g.data(), u.data(), y.data());
    EXPECT_TRUE(stored_close<S>(y.values(), expected, 0, 8 * kUnit));
    EXPECT_TRUE(y.intact());
  });
}

TYPED_TEST(Rows, SoftcapStaysInsideItsSpan) {
  using S = TypeParam;
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto x = random_stored<S>(static_cast<size_t>(n), 10, 20);
    std::vector<double> expected;
    for (const float v : x)
      expected.push_back(15 * std::tanh(static_cast<double>(v) / 15));
    StorageSpan<S> y(x, offset);
    table.of<S>().rows.softcap(n, 15.0f, y.data());
    EXPECT_TRUE(stored_close<S>(y.values(), expected, 0, 8 * kUnit));
    EXPECT_TRUE(y.intact());
  });
}

// Two products and a sum: 3 units of |a cos| + |b sin|. Turning back turns the first rounding to S,
// at most a unit of it on both coordinates.
TYPED_TEST(Rows, RotaryTurnsEveryHeadAndBack) {
  using S = TypeParam;
  for_each_length([](const kernels::Table& table, int64_t half, size_t offset) {
    if (half > 129) return;
    const int64_t heads = 3;
    const auto size = static_cast<size_t>(half);
    const auto angles = random_stored<S>(size, 11, 2), x = random_stored<S>(6 * size, 12);
    std::vector<float> cosine, sine;
    for (const float angle : angles) {
      cosine.push_back(std::cos(angle));
      sine.push_back(std::sin(angle));
    }
    std::vector<double> expected(x.size());
    for (size_t head = 0; head < 3; ++head) {
      for (size_t i = 0; i < size; ++i) {
        const size_t a = head * 2 * size + i, b = a + size;
        const double c = static_cast<double>(cosine[i]), s = static_cast<double>(sine[i]);
        expected[a] = static_cast<double>(x[a]) * c - static_cast<double>(x[b]) * s;
        expected[b] = static_cast<double>(x[b]) * c + static_cast<double>(x[a]) * s;
      }
    }
    StorageSpan<S> y(x, offset);
    table.of<S>().rows.rotary(heads, half, cosine.data(), sine.data(), 1.0f, y.data());
    const double unit = 2 * kUnit * largest(x);
    EXPECT_TRUE(stored_close<S>(y.values(), expected, 3 * unit, 0));
    const double once = 2 * StorageFormat<S>::kUnit * largest(y.values());
    table.of<S>().rows.rotary(heads, half, cosine.data(), sine.data(), -1.0f, y.data());
    EXPECT_TRUE(stored_close<S>(y.values(), x, 8 * unit + once, 0));
    EXPECT_TRUE(y.intact());
  });
}

}  // namespace
}  // namespace cllm::testing
