// The plain truth of codes: the matrix S that they are, and E = S U.
#pragma once

#include <cstddef>
#include <vector>

#include "ops/composite.h"

namespace cllm::reference {

// S [V, K].
inline std::vector<double> code_matrix(const ops::Codes& codes) {
  std::vector<double> s(static_cast<size_t>(codes.V * codes.K));
  for (int64_t token = 0; token < codes.V; ++token)
    for (int32_t i = codes.offsets[token]; i < codes.offsets[token + 1]; ++i)
      s[static_cast<size_t>(token * codes.K + codes.pieces[i])] =
          static_cast<double>(codes.scales[token]);
  return s;
}

// E [V, C] of the table U [K, C].
template <class T>
std::vector<T> composite(const ops::Codes& codes, size_t C, const std::vector<T>& table) {
  const std::vector<double> s = code_matrix(codes);
  const auto V = static_cast<size_t>(codes.V), K = static_cast<size_t>(codes.K);
  std::vector<T> e(V * C);
  for (size_t token = 0; token < V; ++token)
    for (size_t piece = 0; piece < K; ++piece)
      for (size_t c = 0; c < C; ++c)
        e[token * C + c] += s[token * K + piece] * table[piece * C + c];
  return e;
}

}  // namespace cllm::reference
