// Exact sums of many fp32 vectors: the result depends on which terms there are, not on their order
// or on how they were cut into batches. Every term is split into signed digits to the base 2^40 at
// fixed places, and digits are added as int64, which is associative. A superaccumulator keeps all
// seven places that fp32 has (Neal, "Fast exact summation using small and large superaccumulators",
// 2015). Fixed point keeps the two highest places in use, which are found for each block of
// elements while it is summed (Demmel & Nguyen, "Parallel reproducible summation", 2015).
#pragma once

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "ops/context.h"
#include "tensor/arena.h"

namespace cllm::optim {

// With all digits: the exact sum, rounded once to the nearest float (ties to even, infinite beyond
// the range, a sum of zero is +0). With two: what lies below the second place is left out of each
// term, at most 2^-40 of the largest magnitude of the block, so that the sum of n terms is off by
// n times that at most, and by nothing if every term is a multiple of the second place's unit.
// A block that has seen a NaN is NaN in every element; one that has seen an infinity, infinite.
//
// Not thread-safe; add and round_to share their work among the threads of the context, with the
// same bits for any number of them. Nothing is allocated after construction, and memory of places
// that no term needs is never touched.
class ExactSum {
 public:
  static constexpr int64_t kBlock = 64;  // elements, from multiples of it on
  static constexpr int kTwoDigits = 2, kAllDigits = 7;
  // Digits are at most 2^39 in magnitude: more terms could overflow an int64.
  static constexpr int64_t kMostTerms = int64_t{1} << 23;

  // Memory that one takes: 8 bytes per digit of an element.
  static int64_t planned_bytes(int64_t count, int digits);

  // Of vectors [count]; digits: kTwoDigits or kAllDigits. Empty at first. Error (kMemory).
  ExactSum(int64_t count, int digits);

  int64_t bytes() const;
  // Back to no terms.
  void clear();
  // += each of the parts [count]. At most kMostTerms parts since clear().
  void add(const ops::Context& context, std::span<const float* const> parts);
  // out [count] =
  void round_to(const ops::Context& context, float* out) const;

 private:
  // The places of a block that hold digits: none if top < low.
  struct Places {
    int16_t low, top;
  };

  const int64_t* row(int place, int64_t block) const;
  int64_t* row(int place, int64_t block) {
    return const_cast<int64_t*>(std::as_const(*this).row(place, block));
  }
  void add_block(int64_t block, int64_t n, std::span<const float* const> parts);
  void make_room(int64_t block, Places wanted);
  // The digits of x [n] at places low to top.
  void add_digits(int64_t block, int64_t n, const float* x, int low, int top);
  void round_block(int64_t block, int64_t n, float* out) const;

  int64_t count_;
  int digits_;
  int64_t terms_ = 0;
  Arena memory_;                // int64 [digits, blocks * kBlock]; place p lies in row p % digits
  std::vector<Places> places_;  // by block
};

}  // namespace cllm::optim
