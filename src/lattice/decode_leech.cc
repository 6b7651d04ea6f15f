#include <bit>
#include <cmath>
#include <limits>

#include "lattice/decode_steps.h"
#include "lattice/golay.h"

namespace cllm::lattice {
namespace {

constexpr size_t kHalf = 12, kWords = GolayCode::kWords;

}  // namespace

// One coordinate against the two residues that a bit of the code word chooses between.
struct LeechDecoder::Residue {
  double point[2];
  double error[2];
};

LeechDecoder::LeechDecoder() : low_(kWords), high_(kWords) {}

// table[bits] = sum of the squared errors of twelve coordinates, bit i for coordinate i.
void LeechDecoder::tabulate(const Residue* residues, std::vector<double>& table) const {
  table[0] = 0;
  for (size_t i = 0; i < kHalf; ++i)
    table[0] += residues[i].error[0] * residues[i].error[0];
  for (size_t i = 0, filled = 1; i < kHalf; ++i, filled *= 2) {
    const double change =
        residues[i].error[1] * residues[i].error[1] - residues[i].error[0] * residues[i].error[0];
    for (size_t j = 0; j < filled; ++j)
      table[filled + j] = table[j] + change;
  }
}

void LeechDecoder::decode(DecodeBlock& block, size_t lane) {
  const GolayCode& code = GolayCode::instance();
  double best = std::numeric_limits<double>::infinity();
  for (int odd = 0; odd < 2; ++odd) {
    Residue residues[24];
    uint32_t parity[2] = {0, 0};  // bit i: the quotient of coordinate i is odd
    for (size_t i = 0; i < 24; ++i) {
      for (int bit = 0; bit < 2; ++bit) {
        const double residue = odd + 2 * bit, shifted = block.target[i][lane] - residue;
        const double quotient = round_quick(shifted * 0.25);
        residues[i].point[bit] = residue + 4 * quotient;
        residues[i].error[bit] = shifted - 4 * quotient;
        const double half = quotient * 0.5;
        if (half != round_quick(half)) parity[bit] |= uint32_t{1} << i;
      }
    }
    tabulate(residues, low_);
    tabulate(residues + kHalf, high_);
    for (uint32_t message = 0; message < kWords; ++message) {
      const uint32_t word = code.word(message);
      double distance = low_[message] + high_[word >> kHalf];
      if (!(distance < best)) continue;
      // Residues sum to a multiple of 8, so the sum of the quotients must be even, and odd for the
      // odd classes.
      const uint32_t odd_quotients = (parity[0] & ~word) | (parity[1] & word);
      size_t repaired = 24;
      if (std::popcount(odd_quotients & 0xffffff) % 2 != odd) {
        double largest = -1;
        for (size_t i = 0; i < 24; ++i) {
          const double size = std::abs(residues[i].error[word >> i & 1]);
          if (size > largest) {
            largest = size;
            repaired = i;
          }
        }
        distance += 16 - 8 * largest;
        if (!(distance < best)) continue;
      }
      best = distance;
      for (size_t i = 0; i < 24; ++i)
        block.point[i][lane] = residues[i].point[word >> i & 1];
      if (repaired < 24)
        block.point[repaired][lane] += residues[repaired].error[word >> repaired & 1] >= 0 ? 4 : -4;
    }
  }
  block.distance2[lane] = best;
}

}  // namespace cllm::lattice
