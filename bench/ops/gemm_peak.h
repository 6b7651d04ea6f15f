// The measured multiply-add peak of a table's instruction set: chains in registers only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "ops/gemm.h"

namespace cllm::bench {

#if defined(__x86_64__)
// 24 chains of 16 lanes: more than latency times throughput on any x86-64 so far.
inline constexpr int kChains = 24;

__attribute__((target("avx512f"))) inline float chains_avx512(int64_t rounds) {
  __m512 x[kChains];
  for (auto& v : x)
    v = _mm512_set1_ps(1.0f);
  const __m512 y = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j)
      x[j] = _mm512_fmadd_ps(x[j], y, y);
  }
  float sum = 0;
  for (const auto& v : x)
    sum += _mm512_cvtss_f32(v);
  return sum;
}

__attribute__((target("avx512f,avx512bf16"))) inline float chains_bf16(int64_t rounds) {
  __m512 x[kChains];
  for (auto& v : x)
    v = _mm512_set1_ps(1.0f);
  const __m512bh y = __builtin_bit_cast(__m512bh, _mm512_set1_epi32(0x3f003f00));
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains; ++j)
      x[j] = _mm512_dpbf16_ps(x[j], y, y);
  }
  float sum = 0;
  for (const auto& v : x)
    sum += _mm512_cvtss_f32(v);
  return sum;
}

// Twelve chains: sixteen registers.
__attribute__((target("avx2,fma"))) inline float chains_avx2(int64_t rounds) {
  __m256 x[kChains / 2];
  for (auto& v : x)
    v = _mm256_set1_ps(1.0f);
  const __m256 y = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < rounds; ++i) {
#pragma GCC unroll 24
    for (int j = 0; j < kChains / 2; ++j)
      x[j] = _mm256_fmadd_ps(x[j], y, y);
  }
  float sum = 0;
  for (const auto& v : x)
    sum += _mm256_cvtss_f32(v);
  return sum;
}
#endif

// GFLOP/s of one run of some milliseconds on all threads of the context; 0 for a table without
// such an instruction.
inline double multiply_add_rate(const ops::Context& context, ops::Compute compute) {
#if defined(__x86_64__)
  const std::string table = context.kernels.name;
  const bool pairs = compute == ops::Compute::kBf16, wide = table.starts_with("avx512");
  float (*chains)(int64_t) = pairs             ? chains_bf16
                             : wide            ? chains_avx512
                             : table == "avx2" ? chains_avx2
                                               : nullptr;
  if (chains == nullptr) return 0;
  const double flops = 2.0 * (wide ? kChains * 16 : kChains / 2 * 8) * (pairs ? 2 : 1);
  constexpr int64_t kRounds = 1 << 19;
  volatile float sink = 0;
  const auto start = std::chrono::steady_clock::now();
  context.pool.parallel_for(context.pool.size(), [&](int64_t, int) { sink = chains(kRounds); });
  const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
  return flops * static_cast<double>(kRounds * context.pool.size()) / time.count() * 1e-9;
#else
  return 0;
#endif
}

}  // namespace cllm::bench
