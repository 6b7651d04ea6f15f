// How much of the truth a shortlist holds, and the control that must fail: tokens chosen by the gcd
// of their ids, which are numbers without meaning.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cllm {

// The `count` largest of the logits, as ids in descending order of logits, equals by id; all if
// there are fewer. O(V + count log count).
std::vector<int32_t> likeliest_tokens(std::span<const float> logits, int64_t count);

// The share of `wanted` that is in `candidates`, which ascend. 1 if nothing is wanted.
double recall_of(std::span<const int32_t> candidates, std::span<const int32_t> wanted);

// The `count` ids v of [0, vocabulary) with the largest gcd(token + 1, v + 1) / max(token + 1,
// v + 1), equals by id; ascending. The originating similarity of tokens. O(vocabulary).
std::vector<int32_t> gcd_candidates(int32_t token, int64_t vocabulary, int64_t count);

// The first `count` ids of [0, vocabulary), whatever was asked: what the gcd holds beyond them is
// its own, since divisors are small ids, which frequent tokens have.
std::vector<int32_t> first_candidates(int64_t vocabulary, int64_t count);

}  // namespace cllm
