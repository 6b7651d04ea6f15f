// The plain truth of hashed n-gram tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cllm::reference {

// The number of the n-gram that ends with token n of sequences of T tokens, whole; below 2^64.
inline uint64_t ngram_number(size_t T, uint64_t V, size_t order, const std::vector<int32_t>& tokens,
                             size_t n) {
  uint64_t number = 0, weight = 1;
  for (size_t back = 0; back < order; ++back, weight *= V + 1)
    number += weight * (back > n % T ? V : static_cast<uint64_t>(tokens[n - back]));
  return number;
}

// x [N, C] += rows of the table [modulus, C].
template <class Scalar>
void add_ngrams(size_t T, size_t C, uint64_t V, size_t order, const std::vector<int32_t>& tokens,
                const std::vector<Scalar>& table, std::vector<Scalar>& x) {
  const uint64_t modulus = table.size() / C;
  for (size_t n = 0; n < tokens.size(); ++n) {
    const size_t row = ngram_number(T, V, order, tokens, n) % modulus * C;
    for (size_t c = 0; c < C; ++c)
      x[n * C + c] += table[row + c];
  }
}

}  // namespace cllm::reference
