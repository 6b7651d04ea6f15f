// What a module of another library's matrix products offers, in plain types, since it is built
// apart and loaded at run time: none of those libraries is needed to build or run cllm.
#pragma once

#include <cstdint>

namespace cllm::bench {

// C [m, n] = op(A) op(B), or += . Row-major; a strides in elements of the matrix as stored.
struct OpponentProduct {
  int64_t m, n, k;
  bool bf16;        // A and B are bf16, and C is bf16 unless accumulate; else all is float
  bool accumulate;  // C is float then
  const void* a;    // [m, k], or [k, m] if a_transposed
  bool a_transposed;
  const void* b;  // [k, n], or [n, k] if b_transposed
  bool b_transposed;
  void* c;
};

struct OpponentVariant {
  const char* name;  // "sgemm"
  bool bf16;         // which products it does
  // Everything that does not belong to the time of a product; null if it cannot do this one. The
  // product's matrices must outlive what is prepared.
  void* (*prepare)(const OpponentProduct* product);
  void (*run)(void* prepared);
  void (*release)(void* prepared);
};

struct OpponentModule {
  const char* library;  // "OpenBLAS 0.3.21"
  void (*use_threads)(int threads);
  int count;
  const OpponentVariant* variants;
};

// The one symbol of a module: const OpponentModule* cllm_opponent_module().
using OpponentEntry = const OpponentModule* (*)();
inline constexpr const char* kOpponentEntry = "cllm_opponent_module";

}  // namespace cllm::bench
