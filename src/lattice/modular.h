// Exact linear algebra by many small primes: elimination modulo primes of 31 bits and the Chinese
// remainder theorem. Nothing here is probabilistic: bounds of Hadamard say how many primes suffice.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "lattice/matrix.h"

namespace cllm::lattice {

// The primes below 2^31 in falling order.
class PrimeSequence {
 public:
  uint32_t next();

 private:
  uint32_t last_ = uint32_t{1} << 31;
};

using ModularMatrix = Matrix<uint32_t>;
ModularMatrix reduced(const IntegerMatrix& matrix, uint32_t prime);

struct Echelon {
  std::vector<size_t>
      pivot_columns;         // of the row echelon form, ascending; their number is the rank
  uint32_t determinant = 0;  // of a square matrix
};
// Gaussian elimination in place. O(rows * columns * rank).
Echelon eliminate(ModularMatrix& matrix, uint32_t prime);

// A solution of x * matrix = right for square matrices, or nothing if `matrix` is singular modulo
// `prime`. right: any number of rows.
std::optional<ModularMatrix> solve_left(const ModularMatrix& matrix, const ModularMatrix& right,
                                        uint32_t prime);

// Integers from their remainders, one prime after another; after primes of product P each is known
// in (-P/2, P/2].
class ChineseRemainders {
 public:
  explicit ChineseRemainders(size_t count) : values_(count) {}
  void add(std::span<const uint32_t> remainders, uint32_t prime);
  const mpz_class& modulus() const { return modulus_; }
  // The representative of smallest absolute value.
  mpz_class value(size_t index) const;

 private:
  mpz_class modulus_ = 1;
  std::vector<mpz_class> values_;
};

// At least log2 of the absolute value of every minor of the matrix (Hadamard).
double hadamard_bits(const IntegerMatrix& matrix);

}  // namespace cllm::lattice
