// Philox 4x32-10 (Salmon et al., SC'11) inside kernels, and the dropout mask made of it. Integer
// code, so the words are the same on every instruction set and equal cllm::philox4x32. Kernel
// internal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/philox.h"

namespace cllm::kernels {

inline constexpr int kPhiloxBlocks = 16;
inline constexpr int kPhiloxWords = 4 * kPhiloxBlocks;

// words [4 * V::kWideLanes] = the blocks first_block, first_block + 1, ..., four words each. Every
// word sits in the low half of a 64-bit lane, because that is where the multiplier reads it; the
// high halves hold leftovers.
template <class V>
void philox_vector(const PhiloxStream& stream, uint64_t first_block, uint32_t* words) {
  using W = typename V::Wide;
  constexpr uint64_t kLane[] = {0, 1, 2, 3, 4, 5, 6, 7};
  const W block = V::wide_add(V::wide_set(first_block), V::wide_load(kLane));
  W x0 = block, x1 = V::wide_high(block);
  W x2 = V::wide_set(stream.step), x3 = V::wide_set(stream.stream);
  uint32_t key0 = static_cast<uint32_t>(stream.seed);
  uint32_t key1 = static_cast<uint32_t>(stream.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const W product0 = V::wide_multiply_low(x0, V::wide_set(0xD2511F53));
    const W product1 = V::wide_multiply_low(x2, V::wide_set(0xCD9E8D57));
    x0 = V::wide_xor(V::wide_xor(V::wide_high(product1), x1), V::wide_set(key0));
    x1 = product1;
    x2 = V::wide_xor(V::wide_xor(V::wide_high(product0), x3), V::wide_set(key1));
    x3 = product0;
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  uint64_t low[V::kWideLanes], high[V::kWideLanes];
  V::wide_store(low, V::wide_join(x0, x1));
  V::wide_store(high, V::wide_join(x2, x3));
  for (int i = 0; i < V::kWideLanes; ++i) {
    std::memcpy(words + 4 * i, low + i, 8);
    std::memcpy(words + 4 * i + 2, high + i, 8);
  }
}

// words [kPhiloxWords] = the words of kPhiloxBlocks consecutive blocks from first_block on:
// words[4 * i + j] is word j of block first_block + i.
template <class V>
void philox_words(const PhiloxStream& stream, uint64_t first_block, uint32_t* words) {
  for (int i = 0; i < kPhiloxBlocks; i += V::kWideLanes)
    philox_vector<V>(stream, first_block + static_cast<uint64_t>(i), words + 4 * i);
}

// Element e of a dropout draws word e % 4 of block e / 4 and is kept when word >= threshold, where
// threshold = p * 2^32. factors [count] = keep ? scale : 0 for elements first, first + 1, ...
template <class V>
void dropout_factors(const PhiloxStream& stream, uint64_t first, int64_t count, uint32_t threshold,
                     float scale, float* factors) {
  uint32_t words[kPhiloxWords];
  int64_t skip = static_cast<int64_t>(first % 4);
  uint64_t block = first / 4;
  for (int64_t done = 0; done < count; block += kPhiloxBlocks) {
    philox_words<V>(stream, block, words);
    const int64_t room = kPhiloxWords - skip;
    const int64_t n = count - done < room ? count - done : room;
    for (int64_t i = 0; i < n; ++i)
      factors[done + i] = words[skip + i] >= threshold ? scale : 0.0f;
    done += n;
    skip = 0;
  }
}

}  // namespace cllm::kernels
