// Entropy coder for integers: range asymmetric numeral system (Duda, "Asymmetric numeral systems",
// arXiv 1311.2540) with one static table of frequencies. 64-bit state, 32-bit words: the state's
// precision costs less than 2^-14 bits per symbol at any entropy. Integers only, so the same bytes
// give the same symbols on any machine. It carries no checksum: a container has one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace cllm {

// Frequencies of a window of consecutive integers, and one for everything else, the escape, whose
// symbols cost 32 bits more. Immutable; safe to share between threads.
class RansTable {
 public:
  static constexpr uint32_t kScaleBits = 16;
  static constexpr uint32_t kTotal = 1U << kScaleBits;  // of all frequencies
  static constexpr uint32_t kMostSymbols = 4096;        // in the window

  // The table that codes `symbols` best, up to the rounding of frequencies to 1 / kTotal. The
  // window holds as many of the symbols as fit. O(n log n).
  static RansTable fit(std::span<const int32_t> symbols);

  // Reads what append_to wrote from the front of `bytes`, which then begins behind it. Error
  // (kData) for bytes that no table gives, e.g. a truncated one.
  static RansTable read(std::span<const uint8_t>& bytes);
  // One or two bytes per frequent symbol.
  void append_to(std::vector<uint8_t>& bytes) const;

  int32_t lowest() const { return lowest_; }
  // Of lowest(), lowest() + 1, ...; 0: coded by the escape.
  std::span<const uint32_t> frequencies() const { return frequencies_; }
  uint32_t escape() const { return kTotal - starts_.back(); }

  // Any symbols, also ones that the table was not fitted to. O(n).
  std::vector<uint8_t> encode(std::span<const int32_t> symbols) const;
  // Overwrites all of `symbols`, as many as were encoded. Error (kData) unless `bytes` is exactly
  // what some symbols encode to: truncated and longer data never are, changed data by a chance of
  // 2^-32 only, except that the value of an escaped symbol is any 32 bits. O(n).
  void decode(std::span<const uint8_t> bytes, std::span<int32_t> symbols) const;

 private:
  RansTable(int32_t lowest, std::vector<uint32_t> frequencies);
  // Index into the window, or its size for the escape.
  size_t index_of(int32_t symbol) const;

  int32_t lowest_;
  std::vector<uint32_t> frequencies_;
  std::vector<uint32_t> starts_;  // running sums, frequencies_.size() + 1
  std::vector<uint16_t> slots_;   // which index owns each of the kTotal slots
};

// Bits per symbol of the best static code: -sum p log2 p over the symbols' own frequencies. 0 for
// no symbols.
double empirical_entropy(std::span<const int32_t> symbols);

}  // namespace cllm
