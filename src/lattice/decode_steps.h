// The decoders' work, on blocks of points that fit in registers and the first cache; decode.h is
// the door.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/coset.h"
#include "lattice/classical.h"

namespace cllm::lattice {

inline constexpr size_t kBlock = kernels::kCosetBlock;

// x to the nearest integer, halves to even, for |x| < 2^51: the addition leaves no fraction bits.
// Unlike std::nearbyint it is one vector instruction on every machine.
inline double round_quick(double x) {
  constexpr double kMagic = 0x1.8p52;
  return (x + kMagic) - kMagic;
}

// Coordinates of kBlock points, coordinate after coordinate; distance2 of the integer vectors.
struct DecodeBlock {
  double target[kLargestDimension][kBlock];
  double point[kLargestDimension][kBlock];
  double distance2[kBlock];
};

// All lattices but Leech: every class, by the kernel, for all points of the block at once.
class ClassDecoder {
 public:
  explicit ClassDecoder(Classical lattice);
  void decode(DecodeBlock& block) const;

 private:
  int64_t dimension_;
  double modulus_;
  bool has_parity_;
  std::vector<double> residues_, weights_;
  std::vector<int64_t> parities_;
};

// Leech. The distance to a class depends on the code word only through two tables, one for each
// half of the coordinates; a class is looked at more closely only if it could win.
class LeechDecoder {
 public:
  LeechDecoder();
  void decode(DecodeBlock& block, size_t lane);

 private:
  struct Residue;
  void tabulate(const Residue* residues, std::vector<double>& table) const;
  std::vector<double> low_, high_;
};

}  // namespace cllm::lattice
