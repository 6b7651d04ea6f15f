// Hashed n-gram tables: which row an n-gram has, and the sum of its rows. An n-gram is the number
// whose digits to the base V + 1 are its tokens, V standing for "before the text"; its row in a
// table of m rows is that number modulo m. With coprime m1, m2 the pair of rows tells all n-grams
// below m1 m2 apart (the Chinese remainder theorem). The idea of such tables: Svenstrup et al.
// 2017, "Hash embeddings"; of adding them to the input of a transformer: Huang et al. 2025,
// "Over-tokenized transformer".
#pragma once

#include <cstdint>
#include <span>

#include "ops/context.h"
#include "ops/values.h"

namespace cllm::ops {

// A table [rows, C] of n-grams of `order` tokens.
struct NgramTable {
  int order = 2;
  int64_t rows = 1;
};

// out[t] = the row of the n-gram that ends with tokens[t]; what lies before tokens[0] is `history`
// (the tokens just before, any number), then nothing. Every token in [0, V).
void ngram_rows(const NgramTable& table, int64_t V, std::span<const int32_t> history,
                std::span<const int32_t> tokens, int32_t* out);

// x [N, C] = sum over j of tables[j][rows[j][n]], in order, rounded once; at most kMostNgramTables.
// Threaded.
inline constexpr size_t kMostNgramTables = 8;
void sum_table_rows(const Context& context, int64_t N, int64_t C,
                    std::span<const float* const> tables, std::span<const int32_t* const> rows,
                    Values x);

}  // namespace cllm::ops
