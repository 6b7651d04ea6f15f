// The scan of one bit set against many: how many bits each shares with it. The many lie in blocks
// of kSignatureBlock sets, word by word: word w of set j of block b at (b * words + w) *
// kSignatureBlock + j; so that neighbouring lanes hold neighbouring sets, for any number of words.
#pragma once

#include <cstdint>

namespace cllm::kernels {

inline constexpr int64_t kSignatureBlock = 8;

struct SignatureKernels {
  // shared [blocks * kSignatureBlock] = popcount(query & set) for every set; query [words], sets
  // [blocks, words, kSignatureBlock]. words < 2^26. Exact.
  void (*shared_bits)(int64_t blocks, int64_t words, const uint64_t* query, const uint64_t* sets,
                      uint32_t* shared);
};

}  // namespace cllm::kernels
