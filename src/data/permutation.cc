#include "data/permutation.h"

#include <algorithm>
#include <bit>

#include "base/check.h"

namespace cllm {
namespace {

// Four rounds are pseudo-random for large domains (Luby and Rackoff); small ones need more.
constexpr uint64_t kRounds = 8;
// A domain of at least 64: with fewer bits a network reaches only some of the permutations.
constexpr int kMinHalfBits = 3;

}  // namespace

Permutation::Permutation(Philox source, uint64_t epoch, int64_t size)
    : source_(source), epoch_(epoch), size_(static_cast<uint64_t>(size)) {
  CHECK_MSG(size >= 1 && size <= int64_t{1} << 62, "size {}", size);
  half_bits_ = std::max(kMinHalfBits, static_cast<int>(std::bit_width(size_ - 1) + 1) / 2);
}

int64_t Permutation::operator()(int64_t index) const {
  DCHECK(index >= 0 && static_cast<uint64_t>(index) < size_);
  uint64_t value = walk(static_cast<uint64_t>(index));
  while (value >= size_)
    value = walk(value);
  return static_cast<int64_t>(value);
}

uint64_t Permutation::walk(uint64_t value) const {
  const uint64_t mask = (uint64_t{1} << half_bits_) - 1;
  uint64_t left = value >> half_bits_;
  uint64_t right = value & mask;
  for (uint64_t round = 1; round <= kRounds; ++round) {
    const uint64_t mixed = left ^ (source_.bits(epoch_, round << 32 | right)[0] & mask);
    left = right;
    right = mixed;
  }
  return left << half_bits_ | right;
}

}  // namespace cllm
