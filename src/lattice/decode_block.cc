#include "kernels/table.h"
#include "lattice/decode_steps.h"

namespace cllm::lattice {
namespace {

// Of the quotients (x - residue) / modulus, so that x sums to what the class demands.
int64_t parity_of(const LatticeClass& lattice_class, const ClassicalFacts& fact) {
  int sum = lattice_class.sum;
  for (size_t i = 0; i < fact.dimension; ++i)
    sum -= lattice_class.residue[i];
  return sum / fact.modulus % 2 == 0 ? 0 : 1;
}

}  // namespace

ClassDecoder::ClassDecoder(Classical lattice)
    : dimension_(static_cast<int64_t>(facts(lattice).dimension)),
      modulus_(facts(lattice).modulus),
      has_parity_(facts(lattice).has_parity),
      weights_(facts(lattice).dimension, 1) {
  if (lattice == Classical::kA2) weights_[1] = 3;
  for (size_t index = 0; index < class_count(lattice); ++index) {
    const LatticeClass next = lattice_class(lattice, index);
    for (size_t i = 0; i < facts(lattice).dimension; ++i)
      residues_.push_back(next.residue[i]);
    parities_.push_back(parity_of(next, facts(lattice)));
  }
}

void ClassDecoder::decode(DecodeBlock& block) const {
  kernels::chosen_table().coset.nearest({.count = static_cast<int64_t>(parities_.size()),
                                         .dimension = dimension_,
                                         .modulus = modulus_,
                                         .has_parity = has_parity_,
                                         .residues = residues_.data(),
                                         .parities = parities_.data(),
                                         .weights = weights_.data()},
                                        block.target[0], block.point[0], block.distance2);
}

}  // namespace cllm::lattice
