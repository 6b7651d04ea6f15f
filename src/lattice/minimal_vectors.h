// The shortest vectors of a classical lattice, numbered: from number to vector and back without a
// table of them.
#pragma once

#include <optional>
#include <span>

#include "lattice/classical.h"

namespace cllm::lattice {

// Minimal vector `index` < kissing_number, in the integers of classical.h; out has `dimension`
// elements. index and kissing_number - 1 - index are not related; the order is by shape, then by
// position or code word, then by signs. O(dimension).
void minimal_vector(Classical lattice, uint32_t index, std::span<int32_t> out);

// The inverse; nothing if x is not a minimal vector.
std::optional<uint32_t> minimal_vector_index(Classical lattice, std::span<const int32_t> x);

}  // namespace cllm::lattice
