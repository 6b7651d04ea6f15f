// The plain truth of embedding.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace cllm::reference {

// x [N, C] = token_table[tokens[n]] + position_table[n % T]; position_table may be empty.
template <class T>
std::vector<T> embedding(size_t tokens_per_sequence, size_t C, const std::vector<int32_t>& tokens,
                         const std::vector<T>& token_table, const std::vector<T>& position_table) {
  std::vector<T> x;
  for (size_t n = 0; n < tokens.size(); ++n) {
    const size_t token = static_cast<size_t>(tokens[n]) * C, position = n % tokens_per_sequence * C;
    for (size_t c = 0; c < C; ++c)
      x.push_back(token_table[token + c] +
                  (position_table.empty() ? T{} : position_table[position + c]));
  }
  return x;
}

}  // namespace cllm::reference
