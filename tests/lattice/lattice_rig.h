// What the lattice tests share: random bases and targets, and the programs of fplll-tools as
// outside oracles.
#pragma once

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "lattice/matrix.h"
#include "lattice/text.h"
#include "temporary_folder.h"

namespace cllm::lattice {

// Entries uniform in [-bound, bound].
inline IntegerMatrix random_matrix(size_t rows, size_t columns, int64_t bound, uint64_t seed) {
  const Philox source(seed, RandomStream::kTest);
  IntegerMatrix matrix(rows, columns);
  for (size_t i = 0; i < rows; ++i)
    for (size_t j = 0; j < columns; ++j)
      matrix(i, j) =
          static_cast<long>(source.below(static_cast<uint64_t>(2 * bound + 1), i, j)) - bound;
  return matrix;
}

// The identity with a first column of numbers of `bits` bits: far from reduced.
inline IntegerMatrix random_knapsack(size_t size, int bits, uint64_t seed) {
  PhiloxSequence random(Philox(seed, RandomStream::kTest), 8);
  IntegerMatrix matrix = identity(size);
  for (size_t i = 0; i < size; ++i)
    for (int bit = 0; bit < bits; ++bit)
      matrix(i, 0) = 2 * matrix(i, 0) + static_cast<long>(random.below(2));
  return matrix;
}

// A product of `steps` random row additions: determinant 1.
inline IntegerMatrix random_unimodular(size_t size, int steps, uint64_t seed) {
  PhiloxSequence random(Philox(seed, RandomStream::kTest), 7);
  IntegerMatrix matrix = identity(size);
  for (int step = 0; step < steps && size > 1; ++step) {
    const size_t to = random.below(size), from = (to + 1 + random.below(size - 1)) % size;
    const long factor = static_cast<long>(random.below(5)) - 2;
    for (size_t j = 0; j < size; ++j)
      matrix(to, j) += factor * matrix(from, j);
  }
  return matrix;
}

inline RationalVector random_target(size_t size, int64_t bound, uint64_t seed,
                                    long denominator = 1) {
  const Philox source(seed, RandomStream::kTest);
  RationalVector target(size);
  for (size_t j = 0; j < size; ++j) {
    target[j] = mpq_class(
        static_cast<long>(source.below(static_cast<uint64_t>(2 * bound + 1), 3, j)) - bound,
        denominator);
    target[j].canonicalize();
  }
  return target;
}

inline IntegerMatrix matrix_of(const std::string& text) {
  return parse_basis(text, "test");
}

// Whether `call` throws an Error of this kind whose one line holds `part`.
template <class Call>
::testing::AssertionResult throws_error(Call&& call, ErrorKind kind, const std::string& part) {
  try {
    call();
  } catch (const Error& error) {
    const std::string text = error.what();
    if (error.kind() != kind)
      return ::testing::AssertionFailure() << "kind " << error.exit_code() << ": " << text;
    if (text.find('\n') != std::string::npos)
      return ::testing::AssertionFailure() << "more than one line: " << text;
    if (text.find(part) == std::string::npos)
      return ::testing::AssertionFailure() << "no '" << part << "' in: " << text;
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "nothing was thrown";
}

// Skips where fplll-tools are not installed.
class WithFplll : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    if (std::system("command -v fplll latticegen >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "fplll and latticegen are not installed";
  }

  // Standard output of a shell command that is given `input`.
  std::string shell(const std::string& command, const std::string& input = "") const {
    write_file(folder_ / "in", input);
    const std::string line =
        command + " <'" + (folder_ / "in").string() + "' >'" + (folder_ / "out").string() + "'";
    EXPECT_EQ(std::system(line.c_str()), 0) << command;
    return read_file(folder_ / "out");
  }
  IntegerMatrix generated(const std::string& arguments, int seed) const {
    return matrix_of(shell("latticegen -randseed " + std::to_string(seed) + " " + arguments));
  }
  IntegerVector vector_from(const std::string& command, const std::string& input) const {
    const std::string text = shell(command, input);
    return integer_vector(parse_values(text, command).at(0), command);
  }
};

}  // namespace cllm::lattice
