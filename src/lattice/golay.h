// The extended binary Golay code [24, 12, 8] from quadratic residues modulo 23 (Conway and Sloane,
// "Sphere Packings, Lattices and Groups", chapters 3 and 11): 4096 words of weights 0, 8, 12, 16,
// 24 with 1, 759, 2576, 759, 1 of each.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

namespace cllm::lattice {

// Bit i of a word is coordinate i. Words are numbered so that word m has m in its low 12 bits: the
// code is systematic, and m -> word is linear.
class GolayCode {
 public:
  static constexpr uint32_t kWords = 4096, kOctads = 759;

  // The one instance; built on first use, thread-safe, never changed.
  static const GolayCode& instance();

  uint32_t word(uint32_t message) const { return words_[message]; }
  bool contains(uint32_t word) const { return word >> 24 == 0 && words_[word & 4095] == word; }
  // The words of weight 8 in ascending order of their messages.
  uint32_t octad(uint32_t rank) const { return words_[octads_[rank]]; }
  // Nothing if the word is not an octad.
  std::optional<uint32_t> octad_rank(uint32_t word) const;

 private:
  GolayCode();
  std::array<uint32_t, kWords> words_{};
  std::array<uint16_t, kOctads> octads_{};
  std::array<uint16_t, kWords> ranks_{};  // kOctads where the message is no octad's
};

}  // namespace cllm::lattice
