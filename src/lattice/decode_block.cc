#include <cmath>

#include "lattice/decode_steps.h"

namespace cllm::lattice {
namespace {

// What is known of one class for every point of the block.
struct ClassState {
  double distance2[kBlock];
  double largest[kBlock];  // largest |error| of a coordinate
  double parity[kBlock];   // of the sum of the quotients, 0 or 1
};

// weight: of this coordinate in the squared length.
void add_coordinate(const double* target, double residue, double modulus, double weight,
                    ClassState& state) {
  const double inverse = 1 / modulus;  // a power of two
  for (size_t lane = 0; lane < kBlock; ++lane) {
    const double shifted = target[lane] - residue;
    const double quotient = round_quick(shifted * inverse);
    const double error = shifted - modulus * quotient;
    state.distance2[lane] += weight * error * error;
    const double size = std::abs(error);
    state.largest[lane] = size > state.largest[lane] ? size : state.largest[lane];
    // The remainder modulo 2 is 0, 1 or -1.
    const double odd = quotient - 2 * round_quick(quotient * 0.5);
    const double other = odd * odd;
    state.parity[lane] += other - 2 * other * state.parity[lane];
  }
}

// The point of one class for one lane.
void write_point(Classical lattice, const LatticeClass& best, double wanted_parity,
                 DecodeBlock& block, size_t lane) {
  const ClassicalFacts& fact = facts(lattice);
  const double modulus = fact.modulus;
  double parity = 0, largest = -1, other = 0;
  size_t worst = 0;
  for (size_t i = 0; i < fact.dimension; ++i) {
    const double shifted = block.target[i][lane] - best.residue[i];
    const double quotient = round_quick(shifted / modulus);
    const double error = shifted - modulus * quotient;
    block.point[i][lane] = best.residue[i] + modulus * quotient;
    parity += quotient - 2 * std::floor(quotient / 2);
    if (std::abs(error) > largest) {
      largest = std::abs(error);
      worst = i;
      other = error >= 0 ? modulus : -modulus;
    }
  }
  if (fact.has_parity && std::fmod(parity, 2) != wanted_parity) block.point[worst][lane] += other;
}

double wanted_parity(const LatticeClass& next, size_t dimension, int modulus) {
  int sum = next.sum;
  for (size_t i = 0; i < dimension; ++i)
    sum -= next.residue[i];
  return (sum / modulus) % 2 == 0 ? 0 : 1;
}

}  // namespace

void decode_block(Classical lattice, const std::vector<LatticeClass>& classes, DecodeBlock& block) {
  const ClassicalFacts& fact = facts(lattice);
  const double modulus = fact.modulus;
  size_t best[kBlock] = {};
  for (size_t index = 0; index < classes.size(); ++index) {
    ClassState state{};
    for (size_t i = 0; i < fact.dimension; ++i) {
      const double weight = lattice == Classical::kA2 && i == 1 ? 3 : 1;
      add_coordinate(block.target[i], classes[index].residue[i], modulus, weight, state);
    }
    const double wanted = wanted_parity(classes[index], fact.dimension, fact.modulus);
    for (size_t lane = 0; lane < kBlock; ++lane) {
      const bool wrong = fact.has_parity && state.parity[lane] != wanted;
      const double repair = wrong ? modulus * (modulus - 2 * state.largest[lane]) : 0;
      const double distance = state.distance2[lane] + repair;
      if (index == 0 || distance < block.distance2[lane]) {
        block.distance2[lane] = distance;
        best[lane] = index;
      }
    }
  }
  for (size_t lane = 0; lane < kBlock; ++lane)
    write_point(lattice, classes[best[lane]],
                wanted_parity(classes[best[lane]], fact.dimension, fact.modulus), block, lane);
}

}  // namespace cllm::lattice
