#include "kernels/peak.h"

#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

namespace cllm::kernels {
namespace {

#if defined(__x86_64__)

constexpr int kChains = 12;

// x = x * 0.5 + 0.5 tends to 1: no overflow and no denormals. It starts at a number that the
// compiler does not know, or it would work the loop out by itself.

double run_sse(int64_t iterations) {
  __m128 x[kChains];
  for (auto& chain : x)
    chain = _mm_set1_ps(static_cast<float>(iterations));
  const __m128 half = _mm_set1_ps(0.5f);
  for (int64_t i = 0; i < iterations; ++i)
    for (auto& chain : x)
      chain = _mm_add_ps(_mm_mul_ps(chain, half), half);
  double sum = 0;
  for (const auto& chain : x)
    sum += static_cast<double>(_mm_cvtss_f32(chain));
  return sum;
}

__attribute__((target("avx2,fma"))) double run_avx2(int64_t iterations) {
  __m256 x[kChains];
  for (auto& chain : x)
    chain = _mm256_set1_ps(static_cast<float>(iterations));
  const __m256 half = _mm256_set1_ps(0.5f);
  for (int64_t i = 0; i < iterations; ++i)
    for (auto& chain : x)
      chain = _mm256_fmadd_ps(chain, half, half);
  double sum = 0;
  for (const auto& chain : x)
    sum += static_cast<double>(_mm256_cvtss_f32(chain));
  return sum;
}

__attribute__((target("avx512f"))) double run_avx512(int64_t iterations) {
  __m512 x[kChains];
  for (auto& chain : x)
    chain = _mm512_set1_ps(static_cast<float>(iterations));
  const __m512 half = _mm512_set1_ps(0.5f);
  for (int64_t i = 0; i < iterations; ++i)
    for (auto& chain : x)
      chain = _mm512_fmadd_ps(chain, half, half);
  double sum = 0;
  for (const auto& chain : x)
    sum += static_cast<double>(_mm512_cvtss_f32(chain));
  return sum;
}

// Sums that grow until an addition no longer changes them; that costs what any other costs.
__attribute__((target("avx512f,avx512bw,avx512vl,avx512bf16"))) double run_bf16(
    int64_t iterations) {
  __m512 x[kChains];
  for (auto& chain : x)
    chain = _mm512_setzero_ps();
  const __m512bh factor = _mm512_cvtne2ps_pbh(_mm512_set1_ps(0.75f), _mm512_set1_ps(1.25f));
  for (int64_t i = 0; i < iterations; ++i)
    for (auto& chain : x)
      chain = _mm512_dpbf16_ps(chain, factor, factor);
  double sum = 0;
  for (const auto& chain : x)
    sum += static_cast<double>(_mm512_cvtss_f32(chain));
  return sum;
}

__attribute__((target("avx512f,avx512vnni"))) double run_int8(int64_t iterations) {
  __m512i x[kChains];
  for (auto& chain : x)
    chain = _mm512_setzero_si512();
  const __m512i factor = _mm512_set1_epi32(0x2f1d3b05);
  for (int64_t i = 0; i < iterations; ++i)
    for (auto& chain : x)
      chain = _mm512_dpbusd_epi32(chain, factor, factor);
  double sum = 0;
  for (const auto& chain : x)
    sum += static_cast<double>(_mm512_cvtsi512_si32(chain));
  return sum;
}

constexpr PeakLoop kSse = {"MULPS + ADDPS xmm", 2 * 4 * kChains, run_sse};
constexpr PeakLoop kAvx2 = {"VFMADD ymm", 2 * 8 * kChains, run_avx2};
constexpr PeakLoop kAvx512 = {"VFMADD zmm", 2 * 16 * kChains, run_avx512};
constexpr PeakLoop kBf16 = {"VDPBF16PS zmm", 2 * 32 * kChains, run_bf16};
constexpr PeakLoop kInt8 = {"VPDPBUSD zmm", 2 * 64 * kChains, run_int8};

// The tables were chosen with a look at XCR0 (dispatch.cc); these two need no state of their own.
bool has_bf16() {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0 && (eax >> 5 & 1) != 0;
}
bool has_vnni() {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
  return __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0 && (ecx >> 11 & 1) != 0;
}

#endif

}  // namespace

const PeakLoop* peak_loop(PeakKind kind, const char* isa) {
#if defined(__x86_64__)
  const bool avx512 = std::strncmp(isa, "avx512", 6) == 0;
  switch (kind) {
    case PeakKind::kFp32:
      return avx512 ? &kAvx512 : std::strcmp(isa, "avx2") == 0 ? &kAvx2 : &kSse;
    case PeakKind::kBf16:
      return avx512 && has_bf16() ? &kBf16 : nullptr;
    case PeakKind::kInt8:
      return avx512 && has_vnni() ? &kInt8 : nullptr;
  }
#endif
  static_cast<void>(kind);
  static_cast<void>(isa);
  return nullptr;
}

}  // namespace cllm::kernels
