#include "lattice/classical.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <numbers>

#include "base/error.h"
#include "lattice/exact_linear.h"
#include "lattice/golay.h"
#include "lattice/reduce.h"

namespace cllm::lattice {
namespace {

constexpr double kRoot3 = std::numbers::sqrt3;

constexpr std::array<ClassicalFacts, 5> kFacts = {{
    {"a2", 2, 1, 6, kRoot3 / 2, 2, false, 0.0801875},  // 5 / (36 sqrt(3))
    {"d4", 4, 2, 24, 2, 1, true, 0.076603},
    {"e8", 8, 2, 240, 1, 2, true, 0.071682},
    {"bw16", 16, 4, 4320, 16, 2, true, 0.068299},
    {"leech", 24, 4, 196560, 1, 4, true, 0.065771},
}};

// A word of the first-order Reed-Muller code of length 16: an affine function of 4 bits.
int reed_muller_bit(size_t word, size_t coordinate) {
  return (std::popcount((word >> 1) & coordinate) + static_cast<int>(word & 1)) & 1;
}

int64_t modulo(int64_t x, int64_t modulus) {
  const int64_t rest = x % modulus;
  return rest < 0 ? rest + modulus : rest;
}

// The class whose residues are those of x, if there is one. Leech: the word is read off bit 1.
std::optional<size_t> class_of(Classical lattice, std::span<const int64_t> x) {
  const ClassicalFacts& fact = facts(lattice);
  const int64_t parity = modulo(x[0], 2);
  size_t index = 0;
  if (lattice == Classical::kA2 || lattice == Classical::kE8) index = static_cast<size_t>(parity);
  if (lattice == Classical::kBw16) {
    index = static_cast<size_t>(parity);
    for (size_t bit = 0; bit < 4; ++bit)
      if (modulo(x[size_t{1} << bit], 2) != parity) index |= size_t{2} << bit;
  }
  if (lattice == Classical::kLeech) {
    for (size_t i = 0; i < 12; ++i)
      index |= static_cast<size_t>(modulo(x[i], 4) >> 1) << i;
    index |= static_cast<size_t>(parity) << 12;
  }
  const LatticeClass found = lattice_class(lattice, index);
  for (size_t i = 0; i < fact.dimension; ++i)
    if (modulo(x[i], fact.modulus) != found.residue[i]) return std::nullopt;
  return index;
}

}  // namespace

const ClassicalFacts& facts(Classical lattice) {
  return kFacts[static_cast<size_t>(lattice)];
}

Classical classical_by_name(std::string_view name) {
  std::string known;
  for (const Classical lattice : kAllClassical) {
    if (facts(lattice).name == name) return lattice;
    known += (known.empty() ? "" : ", ") + std::string(facts(lattice).name);
  }
  throw Error(ErrorKind::kUsage, "lattice", fmt::format("there is no '{}'", name),
              "the classical lattices are " + known);
}

double coordinate_scale(Classical lattice, size_t coordinate) {
  switch (lattice) {
    case Classical::kA2:
      return coordinate == 0 ? 0.5 : kRoot3 / 2;
    case Classical::kD4:
      return 1;
    case Classical::kE8:
      return 0.5;
    case Classical::kBw16:
      return 1 / std::numbers::sqrt2;
    case Classical::kLeech:
      return 0.5 / std::numbers::sqrt2;
  }
  return 0;
}

int norm_divisor(Classical lattice) {
  constexpr int kDivisor[] = {4, 1, 4, 2, 8};
  return kDivisor[static_cast<size_t>(lattice)];
}

double point_norm2(Classical lattice, std::span<const int32_t> x) {
  if (lattice == Classical::kA2) return (x[0] * x[0] + 3 * x[1] * x[1]) / 4.0;
  int64_t sum = 0;
  for (const int32_t coordinate : x)
    sum += int64_t{coordinate} * coordinate;
  return static_cast<double>(sum) / norm_divisor(lattice);
}

size_t class_count(Classical lattice) {
  constexpr size_t kCount[] = {2, 1, 2, 32, size_t{2} * GolayCode::kWords};
  return kCount[static_cast<size_t>(lattice)];
}

LatticeClass lattice_class(Classical lattice, size_t index) {
  CHECK(index < class_count(lattice));
  LatticeClass result;
  const size_t dimension = facts(lattice).dimension;
  const bool odd = index / GolayCode::kWords != 0;
  const uint32_t word = GolayCode::instance().word(index % GolayCode::kWords);
  for (size_t i = 0; i < dimension; ++i) {
    int residue = static_cast<int>(index);  // A2, D4, E8
    if (lattice == Classical::kBw16) residue = reed_muller_bit(index, i);
    if (lattice == Classical::kLeech) residue = (odd ? 1 : 0) + 2 * static_cast<int>(word >> i & 1);
    result.residue[i] = static_cast<int8_t>(residue);
  }
  result.sum = lattice == Classical::kLeech && odd ? 4 : 0;
  return result;
}

bool contains(Classical lattice, std::span<const int64_t> x) {
  const ClassicalFacts& fact = facts(lattice);
  CHECK_EQ(x.size(), fact.dimension);
  const auto index = class_of(lattice, x);
  if (!index) return false;
  if (!fact.has_parity) return true;
  const int64_t modulus = int64_t{2} * fact.modulus;
  int64_t sum = 0;
  for (const int64_t coordinate : x)
    sum += modulo(coordinate, modulus);
  return modulo(sum, modulus) == lattice_class(lattice, *index).sum;
}

IntegerMatrix classical_basis(Classical lattice) {
  if (lattice == Classical::kA2) {
    IntegerMatrix basis(2, 3);
    basis(0, 0) = basis(1, 1) = 1;
    basis(0, 1) = basis(1, 2) = -1;
    return basis;
  }
  // Generators: one vector of each class, twice q along each axis, and q along each pair. Their
  // Hermite form grows one vector at a time.
  const ClassicalFacts& fact = facts(lattice);
  const size_t size = fact.dimension;
  const auto add = [](IntegerMatrix& form, std::span<const mpz_class> vector) {
    IntegerVector rest(vector.begin(), vector.end());
    for (size_t i = 0; i < rest.size(); ++i) {
      while (rest[i] != 0) {  // Euclid on two rows
        const mpz_class quotient = form(i, i) / rest[i];
        for (size_t j = i; j < rest.size(); ++j) {
          form(i, j) -= quotient * rest[j];
          std::swap(form(i, j), rest[j]);
        }
      }
    }
  };
  IntegerMatrix form(size, size);
  for (size_t i = 0; i < size; ++i)
    form(i, i) = 2 * fact.modulus;
  for (size_t i = 1; i < size; ++i) {
    IntegerVector pair(size);
    pair[0] = pair[i] = fact.modulus;
    add(form, pair);
  }
  for (size_t index = 0; index < class_count(lattice); ++index) {
    const LatticeClass next = lattice_class(lattice, index);
    IntegerVector vector(size);
    int sum = 0;
    for (size_t i = 0; i < size; ++i) {
      vector[i] = next.residue[i];
      sum += next.residue[i];
    }
    if ((sum - next.sum) % (2 * fact.modulus) != 0) vector[0] += fact.modulus;
    add(form, vector);
  }
  return reduce(form).basis;
}

}  // namespace cllm::lattice
