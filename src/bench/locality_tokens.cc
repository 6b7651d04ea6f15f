#include "bench/locality_tokens.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "crystal/vocabulary_order.h"
#include "text/tokenizer.h"

namespace cllm::bench {
namespace {

std::vector<Token> random_permutation(int64_t V) {
  std::vector<Token> rows(static_cast<size_t>(V));
  std::iota(rows.begin(), rows.end(), 0);
  const Philox source(3, RandomStream::kTest);
  for (size_t i = rows.size(); i > 1; --i)
    std::swap(rows[i - 1], rows[source.below(i, 0, i)]);
  return rows;
}

std::vector<Token> order_of(const TokenStream& stream, RowOrder order) {
  if (order == RowOrder::kRandom) return random_permutation(stream.V);
  std::vector<int64_t> counts(static_cast<size_t>(stream.V));
  for (const int32_t id : stream.ids)
    ++counts[static_cast<size_t>(id)];
  return vocabulary_order(order == RowOrder::kFrequency ? VocabularyOrder::kFrequency
                          : order == RowOrder::kUlam    ? VocabularyOrder::kUlam
                                                        : VocabularyOrder::kIdentity,
                          counts);
}

}  // namespace

TokenStream zipf_tokens(int64_t V, int64_t count) {
  CHECK(V >= 1 && count >= 0);
  std::vector<double> below;  // the weight of all ranks up to and with this one
  double sum = 0;
  for (int64_t rank = 0; rank < V; ++rank)
    below.push_back(sum += 1 / static_cast<double>(rank + 1));
  const Philox source(4, RandomStream::kTest);
  TokenStream stream{V, {}, false};
  for (int64_t i = 0; i < count; ++i) {
    const double at = sum * source.uniform(0, static_cast<uint64_t>(i));
    const auto found = std::upper_bound(below.begin(), below.end() - 1, at);
    stream.ids.push_back(static_cast<int32_t>(found - below.begin()));
  }
  return stream;
}

TokenStream text_tokens(const std::string& path, const std::string& tokenizer, int64_t count) {
  const Tokenizer vocabulary = Tokenizer::load(tokenizer);
  TokenStream stream{vocabulary.vocabulary_size(), {}, true};
  vocabulary.encode(read_file(path), stream.ids, {path});
  if (stream.ids.size() < 2)
    throw Error(ErrorKind::kData, path, "holds no text", "give a file with text");
  if (std::ssize(stream.ids) > count) stream.ids.resize(static_cast<size_t>(count));
  return stream;
}

const char* row_order_name(RowOrder order) {
  switch (order) {
    case RowOrder::kRandom:
      return "random";
    case RowOrder::kIdentity:
      return "identity";
    case RowOrder::kFrequency:
      return "frequency";
    case RowOrder::kUlam:
      break;
  }
  return "ulam";
}

std::vector<RowOrder> row_orders(const TokenStream& stream) {
  if (!stream.of_text) return {RowOrder::kRandom, RowOrder::kFrequency, RowOrder::kUlam};
  return {RowOrder::kRandom, RowOrder::kIdentity, RowOrder::kFrequency, RowOrder::kUlam};
}

std::vector<int32_t> rows_in_order(const TokenStream& stream, RowOrder order) {
  const std::vector<Token> row_of = order_of(stream, order);
  std::vector<int32_t> rows;
  for (const int32_t id : stream.ids)
    rows.push_back(row_of[static_cast<size_t>(id)]);
  return rows;
}

}  // namespace cllm::bench
