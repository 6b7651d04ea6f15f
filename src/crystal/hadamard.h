// A random rotation that costs n log n: signs, then Walsh-Hadamard transforms. It makes the columns
// of a weight matrix alike, so that one step and one table of symbols fit them all (QuIP, Chee et
// al., arXiv 2307.13304; QuIP#, 2402.04396).
//
// Q = T D with D a diagonal of random signs. For n a power of two T is the transform H_n / sqrt(n).
// Otherwise T = E D' S: with p the largest power of two below n, S transforms the first p
// coordinates, D' is a second diagonal of signs, and E transforms the last p. The two blocks
// overlap because 2 p > n, so every coordinate is spread over at least p / 2 others.
//
// Only additions, multiplications and one square root, each in a fixed order: the same bits on any
// machine.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "threads/pool.h"

namespace cllm {

// Immutable. Spans of rows hold any number of rows of size() elements, each of which is a vector.
class RandomRotation {
 public:
  // size >= 1; the same seed gives the same rotation.
  RandomRotation(size_t size, uint64_t seed);
  size_t size() const { return first_signs_.size(); }

  // x = Q x for each row x; rows are shared among the threads.
  void apply(std::span<float> rows, ThreadPool& pool) const;
  void apply(std::span<double> rows, ThreadPool& pool) const;
  // x = Q^T x for each row x: the inverse, up to rounding.
  void apply_inverse(std::span<float> rows, ThreadPool& pool) const;
  void apply_inverse(std::span<double> rows, ThreadPool& pool) const;
  // A = Q A Q^T, A [size, size]. What H = X^T X becomes when the rows of X are rotated.
  void apply_both_sides(std::span<double> matrix, ThreadPool& pool) const;

 private:
  template <class T>
  void rotate(std::span<T> rows, ThreadPool& pool, bool inverse) const;
  template <class T>
  void rotate_row(T* x, bool inverse) const;

  std::vector<int8_t> first_signs_, second_signs_;  // +-1; the second empty for a power of two
  size_t block_;                                    // p
  double scale_;                                    // 1 / sqrt(p)
};

// x = H x, H[i][j] = (-1)^popcount(i & j), in place. x.size() is a power of two. Exact as long as
// the sums are. n log2 n additions.
void walsh_hadamard(std::span<float> x);
void walsh_hadamard(std::span<double> x);

}  // namespace cllm
