// Brute-force nearest points, written from the definitions of the lattices and without the code
// they judge.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace cllm::lattice {

// Squared distance of x to { v in Z^n : v_i = residue_i mod q, sum v = sum mod 2 q }: rounds every
// coordinate and, where the sum is wrong, the one of the largest error the other way.
inline double coset_distance2(const std::vector<double>& x, const std::vector<int>& residue,
                              double modulus, long sum) {
  // Sums of integers below 2^53: exact.
  double distance = 0, total = 0, largest = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double k = std::floor((x[i] - residue[i]) / modulus + 0.5);
    const double v = residue[i] + modulus * k;
    const double error = std::abs(x[i] - v);
    distance += error * error;
    largest = std::max(largest, error);
    total += v;
  }
  if (std::fmod(std::abs(total - static_cast<double>(sum)), 2 * modulus) == 0) return distance;
  return distance - largest * largest + (modulus - largest) * (modulus - largest);
}

}  // namespace cllm::lattice
