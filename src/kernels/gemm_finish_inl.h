// The way out of a product: the epilogue of kernels/gemm.h on a buffer of fp32 sums. Kernel
// internal.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"
#include "kernels/math_inl.h"
#include "kernels/philox_inl.h"

namespace cllm::kernels {

// The first n lanes, n >= 1; zero beyond.
template <class V, class S>
typename V::Float gemm_load(const S* p, int64_t n) {
  return n >= V::kLanes ? V::load(p) : V::load_partial(p, n);
}

template <class V, class S>
void gemm_store(S* p, int64_t n, typename V::Float x) {
  n >= V::kLanes ? V::store(p, x) : V::store_partial(p, n, x);
}

template <class V>
typename V::Float gemm_activate(Activation activation, typename V::Float value,
                                typename V::Float auxiliary) {
  // max(0, x) in this order lets NaN through.
  switch (activation) {
    case Activation::kNone:
      return value;
    case Activation::kGelu:
      return gelu<V>(value);
    case Activation::kRelu2: {
      const auto positive = V::max(V::zero(), value);
      return V::mul(positive, positive);
    }
    case Activation::kGeluBackward:
      return V::mul(value, gelu_derivative<V>(auxiliary));
    case Activation::kRelu2Backward: {
      const auto positive = V::max(V::zero(), auxiliary);
      return V::mul(value, V::add(positive, positive));
    }
    case Activation::kSwiglu:
    case Activation::kSwigluBackward:
      break;  // of two values
  }
  return value;
}

// GemmResult with its storage. V keeps instances of different instruction sets apart.
template <class V, class S>
struct GemmOutput {
  explicit GemmOutput(const GemmResult& result)
      : c(static_cast<S*>(result.c)),
        auxiliary(static_cast<S*>(result.auxiliary)),
        residual(static_cast<const S*>(result.residual)) {}
  S* c;
  S* auxiliary;
  const S* residual;
};

// The factors of the elements of a row that a dropout keeps, and 0 for those it drops.
template <class V>
struct GemmMask {
  static constexpr int kMost = 64;  // columns of a tile
  const GemmDropout& dropout;
  alignas(64) float factors[kMost];

  explicit GemmMask(const GemmDropout& call) : dropout(call) {}
  void start_row(int64_t row, int64_t columns) {
    if (dropout.threshold == 0) return;
    dropout_factors<V>(dropout.stream, static_cast<uint64_t>(dropout.first + row * dropout.row),
                       columns, dropout.threshold, dropout.scale, factors);
  }
  // Chosen, not multiplied by zero: a dropped infinity is 0.
  typename V::Float apply(int64_t j, typename V::Float value) const {
    if (dropout.threshold == 0) return value;
    const auto factor = V::load(factors + j);
    return V::select_less(V::zero(), factor, V::mul(value, factor), V::zero());
  }
};

// The last steps of a vector of n lanes at element `at` of C and column j of the tile.
template <class V, class S>
void gemm_store_finished(const GemmOutput<V, S>& out, const GemmMask<V>& mask, int64_t at,
                         int64_t j, int64_t n, typename V::Float value) {
  value = mask.apply(j, value);
  if (out.residual != nullptr) value = V::add(value, gemm_load<V>(out.residual + at, n));
  gemm_store<V>(out.c + at, n, value);
}

// The gradients of gate and up from that of their product: silu'(g) = s (1 + g (1 - s)).
template <class V, class S>
void gemm_swiglu_backward(const GemmOutput<V, S>& out, int64_t half, int64_t at, int64_t n,
                          typename V::Float value) {
  const auto gate = gemm_load<V>(out.auxiliary + at, n);
  const auto up = gemm_load<V>(out.auxiliary + half + at, n);
  const auto one = V::set(1.0f), s = sigmoid<V>(gate);
  const auto slope = V::mul(s, V::fma(gate, V::sub(one, s), one));
  gemm_store<V>(out.c + at, n, V::mul(V::mul(value, up), slope));
  gemm_store<V>(out.c + half + at, n, V::mul(value, V::mul(gate, s)));
}

// One vector of C: the first n lanes of column j in the row that begins at element `row`.
template <class V, class S>
void gemm_finish_vector(const GemmResult& result, const GemmOutput<V, S>& out,
                        const GemmMask<V>& mask, int64_t row, int64_t j, int64_t n,
                        typename V::Float value) {
  using F = typename V::Float;
  const Activation activation = result.activation;
  if (result.bias != nullptr) value = V::add(value, gemm_load<V>(result.bias + j, n));
  if (activation == Activation::kSwigluBackward)
    return gemm_swiglu_backward(out, result.half, row + j, n, value);
  if (activation != Activation::kNone) {
    const bool backward =
        activation == Activation::kGeluBackward || activation == Activation::kRelu2Backward;
    F auxiliary = value;
    if (backward)
      auxiliary = gemm_load<V>(out.auxiliary + row + j, n);
    else if (out.auxiliary != nullptr)
      gemm_store<V>(out.auxiliary + row + j, n, value);
    value = gemm_activate<V>(activation, value, auxiliary);
  }
  gemm_store_finished(out, mask, row + j, j, n, value);
}

template <class V, class S>
[[gnu::noinline]] void gemm_finish_as(const GemmResult& result, int64_t rows, int64_t columns,
                                      const float* sums, int64_t stride) {
  const GemmOutput<V, S> out(result);
  GemmMask<V> mask(result.dropout);
  for (int64_t r = 0; r < rows; ++r) {
    mask.start_row(r, columns);
    for (int64_t j = 0; j < columns; j += V::kLanes)
      gemm_finish_vector(result, out, mask, r * result.ldc, j, columns - j,
                         V::load(sums + r * stride + j));
  }
}

template <class V, class S>
[[gnu::noinline]] void gemm_finish_swiglu_as(const GemmSwiglu& call) {
  const GemmResult& result = call.result;
  const GemmOutput<V, S> out(result);
  GemmMask<V> mask(result.dropout);
  for (int64_t r = 0; r < call.rows; ++r) {
    mask.start_row(r, call.columns);
    for (int64_t j = 0; j < call.columns; j += V::kLanes) {
      const int64_t n = call.columns - j, from = r * call.sums_row + j;
      auto gate = V::load(call.gate_sums + from), up = V::load(call.up_sums + from);
      if (result.bias != nullptr) gate = V::add(gate, gemm_load<V>(result.bias + j, n));
      if (call.up_bias != nullptr) up = V::add(up, gemm_load<V>(call.up_bias + j, n));
      if (out.auxiliary != nullptr) {
        S* kept = out.auxiliary + r * call.auxiliary_row + j;
        gemm_store<V>(kept, n, gate);
        gemm_store<V>(kept + result.half, n, up);
      }
      const auto value = V::mul(V::mul(gate, sigmoid<V>(gate)), up);
      gemm_store_finished(out, mask, r * result.ldc + j, j, n, value);
    }
  }
}

template <class V>
void gemm_finish_swiglu(const GemmSwiglu& call) {
  switch (call.result.storage) {
    case Storage::kFp32:
      return gemm_finish_swiglu_as<V, float>(call);
    case Storage::kBf16:
      return gemm_finish_swiglu_as<V, Bf16>(call);
    case Storage::kFp16:
      return gemm_finish_swiglu_as<V, Fp16>(call);
  }
}

// result = epilogue(sums [rows, columns], row stride `stride`, readable to the next whole vector).
template <class V>
void gemm_finish(const GemmResult& result, int64_t rows, int64_t columns, const float* sums,
                 int64_t stride) {
  switch (result.storage) {
    case Storage::kFp32:
      return gemm_finish_as<V, float>(result, rows, columns, sums, stride);
    case Storage::kBf16:
      return gemm_finish_as<V, Bf16>(result, rows, columns, sums, stride);
    case Storage::kFp16:
      return gemm_finish_as<V, Fp16>(result, rows, columns, sums, stride);
  }
}

}  // namespace cllm::kernels
