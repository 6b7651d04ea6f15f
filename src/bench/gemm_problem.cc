#include "bench/gemm_problem.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/philox.h"
#include "ops/chunks.h"
#include "ops/elementwise.h"

namespace cllm::bench {
namespace {

void fill(const ops::Context& context, int64_t count, uint64_t stream, float* x, uint16_t* x16) {
  const Philox source(1, RandomStream::kTest);
  ops::for_each_chunk(context, count, [&](int64_t begin, int64_t elements) {
    for (int64_t i = begin; i < begin + elements; i += 4) {
      const auto words = source.bits(stream, static_cast<uint64_t>(i));
      for (int64_t j = i; j < std::min(i + 4, begin + elements); ++j) {
        const auto word = static_cast<int32_t>(words[static_cast<size_t>(j - i)]);
        x16[j] = to_bf16(static_cast<float>(word) / 2147483648.0f);
        x[j] = from_bf16(x16[j]);
      }
    }
  });
}

}  // namespace

uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float from_bf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

GemmProblem::GemmProblem(const ops::Context& context, const GemmShape& wanted)
    : shape(wanted),
      a(shape.m * shape.k, "matrix product"),
      b(shape.k * shape.n, "matrix product"),
      c(shape.m * shape.n, "matrix product"),
      a16(shape.m * shape.k),
      b16(shape.k * shape.n),
      c16(shape.m * shape.n) {
  fill(context, shape.m * shape.k, 1, a.data(), a16.data());
  fill(context, shape.k * shape.n, 2, b.data(), b16.data());
}

void GemmProblem::clear(const ops::Context& context) {
  ops::fill_zero(context, shape.m * shape.n, c.data());
  ops::fill_zero(context, shape.m * shape.n / 2, reinterpret_cast<float*>(c16.data()));
}

std::string GemmProblem::wrong_element(bool result_in_bf16) const {
  constexpr int64_t kSide = 17;  // of the grid of elements that are looked at
  for (int64_t i = 0; i < kSide; ++i)
    for (int64_t j = 0; j < kSide; ++j) {
      const int64_t row = i * (shape.m - 1) / (kSide - 1);
      const int64_t column = j * (shape.n - 1) / (kSide - 1);
      double sum = 0, size = 0;
      for (int64_t p = 0; p < shape.k; ++p) {
        const auto x = static_cast<double>(
            a.data()[shape.a_transposed() ? p * shape.m + row : row * shape.k + p]);
        const auto y = static_cast<double>(
            b.data()[shape.b_transposed() ? column * shape.k + p : p * shape.n + column]);
        sum += x * y;
        size += std::fabs(x * y);
      }
      // Rounding of a sum of k exact products in any order, and of the result to bf16.
      const double bound = static_cast<double>(shape.k) * 0x1p-24 * size +
                           (result_in_bf16 ? std::fabs(sum) * 0x1p-7 : 0);
      const int64_t at = row * shape.n + column;
      const auto got =
          static_cast<double>(result_in_bf16 ? from_bf16(c16.data()[at]) : c.data()[at]);
      if (!(std::fabs(got - sum) <= bound))
        return fmt::format("({}, {}) is {} instead of {}", row, column, got, sum);
    }
  return "";
}

}  // namespace cllm::bench
