// The lattice in which a block of columns is quantised. With H = L L^T the squared error of
// integers z against a target u is |(u - z)^T L|^2: z^T L is a point of the lattice whose basis are
// the rows of L. Taken block by block from the last column on, the part of the error that falls on
// a block's axes is |(u_J - z_J)^T L_JJ + sum_{I>J} (u_I - z_I)^T L_IJ|^2: the later blocks' errors
// move the target of the block, which is the feedback of GPTQ (Frantar et al., arXiv 2210.17323).
// GPTQ is Babai's nearest plane in this basis (Chen et al., 2507.18553).
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "lattice/beam.h"
#include "lattice/gram_schmidt.h"

namespace cllm {

// The columns [first, first + size) of a factor L [n, n]. Immutable.
class ColumnLattice {
 public:
  // factor must outlive it. `reduced`: search in an LLL-reduced basis (delta 0.99, eta 0.51, 24
  // bits) instead of the rows of L, which takes 7 ms for 64 columns and 80 ms for 128. Error
  // (kData) if the block is singular to working precision.
  ColumnLattice(std::span<const double> factor, size_t n, size_t first, size_t size, bool reduced);

  size_t first() const { return first_; }
  size_t size() const { return size_; }
  // |b*_k|^2 of the basis that is searched. Their arithmetic over their geometric mean is what the
  // nearest plane loses to an even basis: log2 / 2 of it in bits.
  std::span<const double> profile() const { return gram_schmidt_.norm2; }

  // One thread's searches in one lattice, which must outlive it.
  class Search {
   public:
    // width 1: the nearest plane. Else also K-best of this width; the nearer point wins.
    Search(const ColumnLattice& lattice, size_t width);
    // rest [n]: the targets u on columns up to the block's last, the errors u - z behind it.
    // integers [size] = z of the block; the block of rest becomes u - z. O(n * size).
    void run(std::span<double> rest, std::span<double> integers);

   private:
    const ColumnLattice& lattice_;
    lattice::BeamSearch plane_;
    std::optional<lattice::BeamSearch> wide_;
    std::vector<double> point_, target_, coefficients_;
  };

 private:
  std::span<const double> factor_;
  size_t n_, first_, size_;
  lattice::RealGramSchmidt gram_schmidt_;
  // Row k: b*_k / |b*_k|^2, which turns a point into its coordinate k.
  lattice::RealMatrix dual_;
  lattice::RealMatrix transform_;  // reduced basis = transform * rows of L; empty if not reduced
};

}  // namespace cllm
