// kernels/coset.h for any width of vectors, by the compiler's own vector types. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/coset.h"

namespace cllm::kernels {
namespace {

// Vectors of kBytes; GCC takes no size that depends on a template's argument.
template <int kBytes>
struct CosetVectors;
#define CLLM_COSET_VECTORS(bytes)                              \
  template <>                                                  \
  struct CosetVectors<bytes> {                                 \
    typedef double Lanes __attribute__((vector_size(bytes)));  \
    typedef int64_t Words __attribute__((vector_size(bytes))); \
  };
CLLM_COSET_VECTORS(16)
CLLM_COSET_VECTORS(32)
CLLM_COSET_VECTORS(64)
#undef CLLM_COSET_VECTORS

template <int kBytes>
struct CosetSearch {
  using Lanes = typename CosetVectors<kBytes>::Lanes;
  using Words = typename CosetVectors<kBytes>::Words;
  static constexpr int64_t kLanes = kBytes / 8;
  // x + kMagic holds x to the nearest integer in its low bits, for |x| < 2^51.
  static constexpr double kMagic = 0x1.8p52;

  // The lanes' nearest point on one coordinate of a coset.
  struct Step {
    Lanes whole, error;
    Words parity;  // of the quotient, in the lowest bit
  };

  const Cosets& cosets;
  const double* targets;  // the first of kLanes neighbours
  double* points;
  double inverse = 1 / cosets.modulus;
  Lanes best = {};   // squared distance
  Words which = {};  // the coset it belongs to

  static Lanes loaded(const double* from) {
    Lanes lanes;
    __builtin_memcpy(&lanes, from, sizeof lanes);
    return lanes;
  }
  static void store(Lanes lanes, double* to) { __builtin_memcpy(to, &lanes, sizeof lanes); }
  static Lanes magnitude(Lanes x) { return (Lanes)((Words)x & INT64_MAX); }

  Step step(int64_t i, Lanes residue) const {
    const Lanes shifted = loaded(targets + i * kCosetBlock) - residue;
    const Lanes rounded = shifted * inverse + kMagic;
    const Lanes whole = cosets.modulus * (rounded - kMagic);
    return {whole, shifted - whole, (Words)rounded};
  }

  void consider(int64_t coset) {
    const double* const residues = cosets.residues + coset * cosets.dimension;
    Lanes distance = {}, largest = {};
    Words parity = {};
    for (int64_t i = 0; i < cosets.dimension; ++i) {
      const Step now = step(i, Lanes{} + residues[i]);
      distance += cosets.weights[i] * now.error * now.error;
      const Lanes size = magnitude(now.error);
      largest = size > largest ? size : largest;
      parity ^= now.parity;
    }
    if (cosets.has_parity) {
      const Words wrong = ((parity ^ cosets.parities[coset]) & 1) != 0;
      const Lanes repair = cosets.modulus * (cosets.modulus - 2 * largest);
      distance += (Lanes)((Words)repair & wrong);
    }
    const Words nearer = coset == 0 ? Words{} == 0 : distance < best;
    best = nearer ? distance : best;
    which = nearer ? Words{} + coset : which;
  }

  Lanes chosen_residue(int64_t i) const {
    Lanes residue = {};
    for (int64_t lane = 0; lane < kLanes; ++lane)
      residue[lane] = cosets.residues[which[lane] * cosets.dimension + i];
    return residue;
  }

  void write_points() const {
    Lanes largest = Lanes{} - 1, other = {};
    Words parity = {}, worst = {};
    for (int64_t i = 0; i < cosets.dimension; ++i) {
      const Lanes residue = chosen_residue(i);
      const Step now = step(i, residue);
      store(residue + now.whole, points + i * kCosetBlock);
      const Lanes size = magnitude(now.error);
      const Words worse = size > largest;
      largest = worse ? size : largest;
      worst = worse ? Words{} + i : worst;
      other = worse ? now.error : other;
      parity ^= now.parity;
    }
    for (int64_t lane = 0; lane < kLanes && cosets.has_parity; ++lane)
      if (((parity[lane] ^ cosets.parities[which[lane]]) & 1) != 0)
        points[worst[lane] * kCosetBlock + lane] +=
            other[lane] >= 0 ? cosets.modulus : -cosets.modulus;
  }
};

template <int kBytes>
void nearest_in_cosets(const Cosets& cosets, const double* targets, double* points,
                       double* distances2) {
  using Search = CosetSearch<kBytes>;
  for (int64_t first = 0; first < kCosetBlock; first += Search::kLanes) {
    Search search{.cosets = cosets, .targets = targets + first, .points = points + first};
    for (int64_t coset = 0; coset < cosets.count; ++coset)
      search.consider(coset);
    search.write_points();
    Search::store(search.best, distances2 + first);
  }
}

template <int kBytes>
constexpr CosetKernels make_coset_kernels() {
  return {nearest_in_cosets<kBytes>};
}

}  // namespace
}  // namespace cllm::kernels
