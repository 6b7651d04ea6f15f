// The smallest shift after which a set of clocks almost agrees again, for shifts far beyond an
// exhaustive search: simultaneous Diophantine approximation by lattice reduction (Lenstra, Lenstra,
// Lovasz 1982, section 1), then enumeration of every lattice point that could be a smaller shift.
#pragma once

#include <optional>
#include <span>

#include "lattice/matrix.h"
#include "lattice/search_watch.h"

namespace cllm::lattice {

inline constexpr size_t kMostClocks = 24;

// The smallest shift in [1, limit] after which every clock, of moduli[k] >= 1 positions, is within
// `tolerance` turns (0 <= tolerance < 1/2) of where it was, as number::clocks_coincide defines;
// nothing if there is none. Complete: no smaller shift exists. The search visits about 2^clocks
// points per factor of 4 in the shift. Error (kUsage) for no clocks, more than kMostClocks, a zero
// modulus, a tolerance out of range or limit < 1.
std::optional<mpz_class> smallest_coincidence(std::span<const uint64_t> moduli,
                                              const mpq_class& tolerance, const mpz_class& limit,
                                              const SearchWatch& watch = {});

}  // namespace cllm::lattice
