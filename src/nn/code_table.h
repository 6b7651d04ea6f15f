// Which rows of a shared table make up the vector of each token: the sparse matrix of a composite
// embedding and of the head tied to it (ops/composite.h). What the rows stand for is not its
// business; crystal/prime_codes.h makes codes from primes.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ops/composite.h"

namespace cllm::nn {

// Immutable; thread-safe.
class CodeTable {
 public:
  // What is wrong with such codes, in words; "" if nothing is.
  static std::string fault(int64_t rows, std::span<const int32_t> offsets,
                           std::span<const int32_t> pieces);

  // Token t has the rows pieces[offsets[t]] ... pieces[offsets[t + 1] - 1] of a table of `rows`:
  // one at least, ascending. CHECKs that there is no fault().
  CodeTable(int64_t rows, std::vector<int32_t> offsets, std::vector<int32_t> pieces);

  int64_t tokens() const { return std::ssize(scales_); }
  int64_t rows() const { return rows_; }
  std::span<const int32_t> offsets() const { return offsets_; }
  std::span<const int32_t> pieces() const { return pieces_; }
  std::span<const int32_t> of(int64_t token) const;
  // The matrix, with 1 / sqrt(pieces) in a token's row, so that every vector starts equally long.
  ops::Codes matrix() const;

  bool operator==(const CodeTable&) const = default;

 private:
  int64_t rows_, most_ = 0;
  std::vector<int32_t> offsets_, pieces_;
  std::vector<float> scales_;
};

}  // namespace cllm::nn
