#include "crystal/shortlist_recall.h"

#include <algorithm>
#include <numeric>

#include "number/gcd.h"

namespace cllm {
namespace {

// Ids of the `count` largest values, in descending order, equals by id.
template <class T>
std::vector<int32_t> largest(std::span<const T> values, int64_t count) {
  std::vector<int32_t> ids(values.size());
  std::iota(ids.begin(), ids.end(), 0);
  const auto kept = ids.begin() + std::min<ptrdiff_t>(std::ssize(ids), count);
  std::partial_sort(ids.begin(), kept, ids.end(), [&](int32_t a, int32_t b) {
    const T x = values[static_cast<size_t>(a)], y = values[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  });
  ids.erase(kept, ids.end());
  return ids;
}

}  // namespace

std::vector<int32_t> likeliest_tokens(std::span<const float> logits, int64_t count) {
  return largest(logits, count);
}

double recall_of(std::span<const int32_t> candidates, std::span<const int32_t> wanted) {
  if (wanted.empty()) return 1;
  const auto held = std::ranges::count_if(
      wanted, [&](int32_t token) { return std::ranges::binary_search(candidates, token); });
  return static_cast<double>(held) / static_cast<double>(wanted.size());
}

std::vector<int32_t> gcd_candidates(int32_t token, int64_t vocabulary, int64_t count) {
  const auto a = static_cast<uint64_t>(token) + 1;
  std::vector<double> similarities;
  similarities.reserve(static_cast<size_t>(vocabulary));
  for (uint64_t b = 1; b <= static_cast<uint64_t>(vocabulary); ++b)
    similarities.push_back(static_cast<double>(number::euclid_gcd(a, b)) /
                           static_cast<double>(std::max(a, b)));
  std::vector<int32_t> ids = largest(std::span<const double>(similarities), count);
  std::ranges::sort(ids);
  return ids;
}

std::vector<int32_t> first_candidates(int64_t vocabulary, int64_t count) {
  std::vector<int32_t> ids(static_cast<size_t>(std::min(count, vocabulary)));
  std::iota(ids.begin(), ids.end(), 0);
  return ids;
}

}  // namespace cllm
