// Elementwise, dropout, gated activation and rotary kernels: every table, lengths around its vector
// width, misaligned pointers, nothing written outside.
#include "kernels/rows.h"

#include <gtest/gtest.h>

#include <cmath>

#include "reference/elementwise.h"
#include "testing_bounds.h"

namespace cllm::testing {
namespace {

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

TEST(Rows, AddAndAccumulateRoundOnce) {
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto size = static_cast<size_t>(n);
    const auto a = random_vector(size, 1), b = random_vector(size, 2);
    std::vector<float> expected(size);
    for (size_t i = 0; i < size; ++i)
      expected[i] = a[i] + b[i];
    GuardedSpan x(a, offset), y(b, offset), out(b, offset);
    table.rows.add(n, x.data(), y.data(), out.data());
    EXPECT_TRUE(same_bits(out.values(), expected));
    table.rows.add(n, x.data(), y.data(), x.data());
    EXPECT_TRUE(same_bits(x.values(), expected));
    GuardedSpan start(a, offset);
    table.rows.accumulate(n, y.data(), start.data());
    EXPECT_TRUE(same_bits(start.values(), expected));
    EXPECT_TRUE(out.intact() && x.intact() && start.intact());
  });
}

// Each column is a chain of at most rows/4 + 3 additions, each after at most two in its group.
TEST(Rows, SumRowsAddsEveryRow) {
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    if (n > 129) return;
    for (const int64_t rows : {0, 1, 3, 4, 5, 11}) {
      const auto size = static_cast<size_t>(n), stride = size + 3;
      const auto values = random_vector(static_cast<size_t>(rows) * stride, 3);
      std::vector<double> expected(size), magnitude(size);
      for (size_t row = 0; row < static_cast<size_t>(rows); ++row) {
        for (size_t i = 0; i < size; ++i) {
          expected[i] += static_cast<double>(values[row * stride + i]);
          magnitude[i] += std::abs(static_cast<double>(values[row * stride + i]));
        }
      }
      GuardedSpan x(values, offset), out(random_vector(size, 4), offset);
      table.rows.sum_rows(rows, n, x.data(), static_cast<int64_t>(stride), out.data());
      EXPECT_TRUE(all_close(out.values(), expected, 8 * kUnit * largest(magnitude), 0));
      EXPECT_TRUE(out.intact());
    }
  });
}

TEST(Rows, DropoutFollowsThePhiloxWordsOfItsElements) {
  const kernels::PhiloxStream stream = {0x123456789abcdef0u, 77,
                                        static_cast<uint32_t>(RandomStream::kDropout) | 5u << 8};
  for_each_length([&](const kernels::Table& table, int64_t n, size_t offset) {
    for (const int64_t first : {int64_t{0}, int64_t{3}, int64_t{8192}, int64_t{1} << 35}) {
      const auto x = random_vector(static_cast<size_t>(n), 5);
      std::vector<float> expected;
      for (int64_t i = 0; i < n; ++i)
        expected.push_back(
            reference::dropout_keeps(0.25, stream.seed, 77, 5, static_cast<uint64_t>(first + i))
                ? x[static_cast<size_t>(i)] * 1.5f
                : 0.0f);
      GuardedSpan in(x, offset), out(x, offset);
      table.rows.dropout(&stream, first, n, 1u << 30, 1.5f, in.data(), out.data());
      EXPECT_TRUE(same_bits(out.values(), expected));
      table.rows.dropout(&stream, first, n, 1u << 30, 1.5f, in.data(), in.data());
      EXPECT_TRUE(same_bits(in.values(), expected));
      EXPECT_TRUE(in.intact() && out.intact());
    }
  });
}

// A dropped infinity must not turn into NaN.
TEST(Rows, DropoutChoosesInsteadOfMultiplyingByZero) {
  const kernels::PhiloxStream stream = {1, 2, 3};
  for_each_table([&](const kernels::Table& table) {
    std::vector<float> x(100, std::numeric_limits<float>::infinity());
    table.rows.dropout(&stream, 0, 100, 1u << 31, 2.0f, x.data(), x.data());
    for (const float value : x)
      EXPECT_TRUE(value == 0 || std::isinf(value));
  });
}

// sigmoid: 4 units for exp, 2 for addition and division; 2 products: 8 units of the result.
TEST(Rows, SwigluMatchesTheReference) {
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto size = static_cast<size_t>(n);
    const auto gate = random_vector(size, 6, 4), up = random_vector(size, 7);
    std::vector<double> expected;
    for (size_t i = 0; i < size; ++i)
      expected.push_back(reference::silu(static_cast<double>(gate[i])) *
                         static_cast<double>(up[i]));
    GuardedSpan g(gate, offset), u(up, offset), y(up, offset);
    table.rows.swiglu(n, g.data(), u.data(), y.data());
    EXPECT_TRUE(all_close(y.values(), expected, 0, 8 * kUnit));
    EXPECT_TRUE(y.intact());
  });
}

// The slope of silu is s (1 + g (1 - s)): 12 units of s (1 + |g|) from the errors of s.
TEST(Rows, SwigluBackwardMatchesTheComplexStep) {
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    if (n > 129) return;
    const auto size = static_cast<size_t>(n);
    const auto gate_up = random_vector(2 * size, 8, 3), dy = random_vector(size, 9);
    const auto expected = complex_step_gradient(gate_up, [&](const std::vector<Complex>& z) {
      return inner_product(dy, reference::swiglu(size, z));
    });
    const double scale = largest(dy) * (1 + largest(gate_up)) * (1 + largest(gate_up));
    GuardedSpan x(gate_up, offset), d(dy, offset);
    table.rows.swiglu_backward(n, x.data(), x.data() + n, d.data(), x.data(), x.data() + n);
    EXPECT_TRUE(all_close(x.values(), expected, 12 * kUnit * scale, 0));
    EXPECT_TRUE(x.intact() && d.intact());
  });
}

TEST(Rows, SoftcapStaysInsideItsSpan) {
  for_each_length([](const kernels::Table& table, int64_t n, size_t offset) {
    const auto x = random_vector(static_cast<size_t>(n), 10, 20);
    std::vector<double> expected;
    for (const float v : x)
      expected.push_back(15 * std::tanh(static_cast<double>(v) / 15));
    GuardedSpan y(x, offset);
    table.rows.softcap(n, 15.0f, y.data());
    EXPECT_TRUE(all_close(y.values(), expected, 0, 8 * kUnit));
    EXPECT_TRUE(y.intact());
  });
}

// Two products and a sum: 3 units of |a cos| + |b sin|.
TEST(Rows, RotaryTurnsEveryHeadAndBack) {
  for_each_length([](const kernels::Table& table, int64_t half, size_t offset) {
    if (half > 129) return;
    const int64_t heads = 3;
    const auto size = static_cast<size_t>(half);
    const auto angles = random_vector(size, 11, 2), x = random_vector(6 * size, 12);
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
    GuardedSpan y(x, offset);
    table.rows.rotary(heads, half, cosine.data(), sine.data(), 1.0f, y.data());
    const double unit = 2 * kUnit * largest(x);
    EXPECT_TRUE(all_close(y.values(), expected, 3 * unit, 0));
    table.rows.rotary(heads, half, cosine.data(), sine.data(), -1.0f, y.data());
    EXPECT_TRUE(all_close(y.values(), x, 8 * unit, 0));
    EXPECT_TRUE(y.intact());
  });
}

}  // namespace
}  // namespace cllm::testing
