// Counter-based random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random
// numbers: as easy as 1, 2, 3", SC'11). A number is a pure function of (seed, stream, step, index),
// so its value does not depend on thread count, order of evaluation, or where a run was resumed.
#pragma once

#include <array>
#include <cstdint>

namespace cllm {

// One stream per purpose, so that turning one option on never changes another's numbers.
enum class RandomStream : uint32_t {
  kInit = 1,
  kShuffle = 2,
  kDropout = 3,
  kSample = 4,
  kStory = 5,
  kTest = 6,
  kRotation = 7,
};

// The ten-round block function; the known-answer vectors of the paper's Random123 library are
// tested.
std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key);

// Random numbers of one stream. Cheap to copy; no state. Thread-safe.
class Philox {
 public:
  Philox(uint64_t seed, RandomStream stream)
      : seed_(seed), stream_(static_cast<uint32_t>(stream)) {}

  // 128 random bits for (step, index). step < 2^32.
  std::array<uint32_t, 4> bits(uint64_t step, uint64_t index) const;
  // Uniform in [0, 1) with 53 bits.
  double uniform(uint64_t step, uint64_t index) const;
  // Uniform integer in [0, bound), bound >= 1, without modulo bias beyond 2^-64.
  uint64_t below(uint64_t bound, uint64_t step, uint64_t index) const;
  // Standard normal (Box-Muller, one number per counter).
  double normal(uint64_t step, uint64_t index) const;

 private:
  uint64_t seed_;
  uint32_t stream_;
};

// A sequential view on one stream for code that draws an unknown number of values in order
// (story generator, sampling). The counter is its whole state.
class PhiloxSequence {
 public:
  PhiloxSequence(Philox source, uint64_t step) : source_(source), step_(step) {}
  double uniform() { return source_.uniform(step_, index_++); }
  uint64_t below(uint64_t bound) { return source_.below(bound, step_, index_++); }

 private:
  Philox source_;
  uint64_t step_;
  uint64_t index_ = 0;
};

}  // namespace cllm
