// What attention in products of bf16 pairs has in common (kernels/attention.h), for a vector
// interface V that multiplies them: scores, probabilities and sums are fp32 as elsewhere, but the
// factors of every product are bf16, so probabilities and their gradients are rounded to it (Dao
// et al., "FlashAttention", 2022). Kernel internal.
//
// Two arrangements of the factors: pairs along D or along the queries lie in memory as they are;
// pairs along rows are made by interleaving two rows. Keys, values and queries along D are read
// where they lie, so D and the strides must be even; other heads take the fp32 tiles.
#pragma once

#include "kernels/attention_tile_inl.h"
#include "kernels/math_inl.h"

namespace cllm::kernels {

// Whether V has products of pairs.
template <class V>
concept MultipliesPairs = requires {
  typename V::Pairs;
};

inline constexpr float kLog2E = 1.44269504088896341f;

template <class V>
bool pairs_along(int64_t D, ConstRows<Bf16> k, ConstRows<Bf16> v) {
  return D % 2 == 0 && k.stride % 2 == 0 && v.stride % 2 == 0;
}

// 2^x for finite x up to 126 with a relative error below 2 ulp: the polynomial of degree 5 with the
// least relative error on [-1/2, 1/2] (Remez), 7.5e-8. Very negative x give 0.
template <class V>
typename V::Float exp2(typename V::Float x) {
  const auto n = V::round(x), r = V::sub(x, n);
  auto p = V::set(0.0013276467799312258f);
  p = V::fma(p, r, V::set(0.009675541248286255f));
  p = V::fma(p, r, V::set(0.05550713286647641f));
  p = V::fma(p, r, V::set(0.24022119726572633f));
  p = V::fma(p, r, V::set(0.6931469670586844f));
  p = V::fma(p, r, V::set(1.0f));
  return V::scale_by_power_of_two(p, n);
}

template <class V>
Bf16Pair* as_pairs(float* x) {
  return reinterpret_cast<Bf16Pair*>(x);
}

// The rows of x from `first` on, as pairs along D.
template <class V>
const Bf16Pair* pairs_from(ConstRows<Bf16> x, int64_t first) {
  return reinterpret_cast<const Bf16Pair*>(x.data + first * x.stride);
}

// out [D / 2][kQueryBlock] = the pairs of x [rows, D], transposed; zero after the last row.
template <class V>
void transpose_pairs(int64_t rows, int64_t D, ConstRows<Bf16> x, float* out) {
  transpose_loaded<V>(rows, D / 2, kQueryBlock, out, [&](int64_t r, int64_t c, auto... width) {
    const Bf16* p = x.data + r * x.stride + 2 * c;
    if constexpr (sizeof...(width) == 0)
      return V::as_float(V::load_pairs(p));
    else
      return V::as_float(V::load_pairs_partial(p, 2 * (width + ...)));
  });
}

// out [ceil(rows / 2)][padded_head(D)] = pairs of row 2 i and row 2 i + 1 of x; zero beyond.
template <class V>
void interleave_rows(int64_t rows, int64_t D, ConstRows<Bf16> x, Bf16Pair* out) {
  constexpr int64_t kWidth = 2 * V::kLanes;
  const int64_t padded = padded_head<V>(D);
  alignas(64) Bf16Pair last[kWidth];
  for (int64_t r = 0; r < rows; r += 2, out += padded) {
    const Bf16* row = x.data + r * x.stride;
    const bool paired = r + 1 < rows;
    const Bf16* next = paired ? row + x.stride : row;
    for (int64_t d = 0; d < D; d += kWidth) {
      const int64_t n = clamp_to<V>(D - d, 0, kWidth);
      const auto first = V::load_pairs_partial(row + d, n);
      const auto second = V::load_pairs_partial(next + d, paired ? n : 0);
      const bool whole = d + kWidth <= padded;
      V::interleave(first, second, whole ? out + d : last);
      if (!whole) V::store(out + d, V::load(last));
    }
  }
}

}  // namespace cllm::kernels
