// The tokens whose rows are gathered and scattered where places in memory are compared, and the
// orders that the rows of a table can have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cllm::bench {

// Ids of consecutive tokens in the order in which the vocabulary was made.
struct TokenStream {
  int64_t V = 0;
  std::vector<int32_t> ids;
  bool of_text = false;  // else the ids are ranks, and the order in which they were made is none
};

// Independent tokens of rank r with a probability proportional to 1 / (r + 1).
TokenStream zipf_tokens(int64_t V, int64_t count);
// The first tokens of a text, at most `count`. tokenizer: as for Tokenizer::load. Error (kData) if
// there are less than 2.
TokenStream text_tokens(const std::string& path, const std::string& tokenizer, int64_t count);

// kRandom: as bad as can be. The others are those of crystal/vocabulary_order.h, by the counts of
// the stream itself.
enum class RowOrder { kRandom, kIdentity, kFrequency, kUlam };
const char* row_order_name(RowOrder order);
// Those that mean something for the stream, kRandom first.
std::vector<RowOrder> row_orders(const TokenStream& stream);

// The row of every token of the stream in a table of this order.
std::vector<int32_t> rows_in_order(const TokenStream& stream, RowOrder order);

}  // namespace cllm::bench
