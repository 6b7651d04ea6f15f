#include "kernels/stream.h"

#include <cstring>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace cllm::kernels {
namespace {

// Plain C++ for compilers without our vectors; the sums are in 16 chains so that latency does not
// count.
float read_plain(int64_t n, const float* x) {
  float sums[16] = {};
  for (int64_t i = 0; i < n; i += 16)
    for (int64_t j = 0; j < 16; ++j)
      sums[j] += x[i + j];
  float sum = 0;
  for (const float part : sums)
    sum += part;
  return sum;
}

void copy_plain(int64_t n, const float* x, float* y) {
  std::memcpy(y, x, static_cast<size_t>(n) * sizeof(float));
}

void triad_plain(int64_t n, const float* x, const float* y, float s, float* z) {
  for (int64_t i = 0; i < n; ++i)
    z[i] = x[i] + s * y[i];
}

constexpr StreamLoops kPlain = {read_plain, copy_plain, triad_plain};

#if defined(__x86_64__)

__attribute__((target("avx2,fma"))) float read_avx2(int64_t n, const float* x) {
  __m256 a = _mm256_setzero_ps(), b = a, c = a, d = a;
  for (int64_t i = 0; i < n; i += 32) {
    a = _mm256_add_ps(a, _mm256_load_ps(x + i));
    b = _mm256_add_ps(b, _mm256_load_ps(x + i + 8));
    c = _mm256_add_ps(c, _mm256_load_ps(x + i + 16));
    d = _mm256_add_ps(d, _mm256_load_ps(x + i + 24));
  }
  return _mm256_cvtss_f32(_mm256_add_ps(_mm256_add_ps(a, b), _mm256_add_ps(c, d)));
}

__attribute__((target("avx2,fma"))) void copy_avx2(int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; i += 16) {
    _mm256_store_ps(y + i, _mm256_load_ps(x + i));
    _mm256_store_ps(y + i + 8, _mm256_load_ps(x + i + 8));
  }
}

__attribute__((target("avx2,fma"))) void triad_avx2(int64_t n, const float* x, const float* y,
                                                    float s, float* z) {
  const __m256 factor = _mm256_set1_ps(s);
  for (int64_t i = 0; i < n; i += 16) {
    _mm256_store_ps(z + i, _mm256_fmadd_ps(factor, _mm256_load_ps(y + i), _mm256_load_ps(x + i)));
    _mm256_store_ps(z + i + 8,
                    _mm256_fmadd_ps(factor, _mm256_load_ps(y + i + 8), _mm256_load_ps(x + i + 8)));
  }
}

__attribute__((target("avx512f"))) float read_avx512(int64_t n, const float* x) {
  __m512 a = _mm512_setzero_ps(), b = a, c = a, d = a;
  for (int64_t i = 0; i < n; i += 64) {
    a = _mm512_add_ps(a, _mm512_load_ps(x + i));
    b = _mm512_add_ps(b, _mm512_load_ps(x + i + 16));
    c = _mm512_add_ps(c, _mm512_load_ps(x + i + 32));
    d = _mm512_add_ps(d, _mm512_load_ps(x + i + 48));
  }
  return _mm512_cvtss_f32(_mm512_add_ps(_mm512_add_ps(a, b), _mm512_add_ps(c, d)));
}

__attribute__((target("avx512f"))) void copy_avx512(int64_t n, const float* x, float* y) {
  for (int64_t i = 0; i < n; i += 32) {
    _mm512_store_ps(y + i, _mm512_load_ps(x + i));
    _mm512_store_ps(y + i + 16, _mm512_load_ps(x + i + 16));
  }
}

__attribute__((target("avx512f"))) void triad_avx512(int64_t n, const float* x, const float* y,
                                                     float s, float* z) {
  const __m512 factor = _mm512_set1_ps(s);
  for (int64_t i = 0; i < n; i += 32) {
    _mm512_store_ps(z + i, _mm512_fmadd_ps(factor, _mm512_load_ps(y + i), _mm512_load_ps(x + i)));
    _mm512_store_ps(z + i + 16, _mm512_fmadd_ps(factor, _mm512_load_ps(y + i + 16),
                                                _mm512_load_ps(x + i + 16)));
  }
}

constexpr StreamLoops kAvx2 = {read_avx2, copy_avx2, triad_avx2};
constexpr StreamLoops kAvx512 = {read_avx512, copy_avx512, triad_avx512};

#endif

}  // namespace

const StreamLoops& stream_loops(const char* isa) {
#if defined(__x86_64__)
  if (std::strncmp(isa, "avx512", 6) == 0) return kAvx512;
  if (std::strcmp(isa, "avx2") == 0) return kAvx2;
#endif
  static_cast<void>(isa);
  return kPlain;
}

}  // namespace cllm::kernels
