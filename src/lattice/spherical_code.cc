#include "lattice/spherical_code.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "lattice/minimal_vectors.h"

namespace cllm::lattice {
namespace {

void require_dimensions(SphericalCode code, size_t dimensions) {
  const size_t wanted = code == SphericalCode::kE8 ? 8 : code == SphericalCode::kLeech ? 24 : 0;
  if (wanted == 0 ? dimensions < 1 : dimensions != wanted)
    throw Error(ErrorKind::kUsage, "dimensions",
                fmt::format("this spherical code does not exist in {}", dimensions),
                wanted == 0 ? std::string("take at least 1") : fmt::format("it has {}", wanted));
}

// e_i scaled and moved along (1, ..., 1), and that diagonal itself as the last vector.
void simplex_vector(uint64_t index, std::span<double> out) {
  const auto n = static_cast<double>(out.size());
  if (index == out.size()) {
    std::ranges::fill(out, 1 / std::sqrt(n));
    return;
  }
  std::ranges::fill(out, -(std::sqrt(n + 1) + 1) / (n * std::sqrt(n)));
  out[index] += std::sqrt((n + 1) / n);
}

void lattice_vector(Classical lattice, uint64_t index, std::span<double> out) {
  std::array<int32_t, kLargestDimension> integers{};
  const std::span<int32_t> x(integers.data(), out.size());
  minimal_vector(lattice, static_cast<uint32_t>(index), x);
  const double length = std::sqrt(facts(lattice).minimal_norm2 * norm_divisor(lattice));
  std::ranges::transform(x, out.begin(), [&](int32_t value) { return value / length; });
}

}  // namespace

uint64_t spherical_code_size(SphericalCode code, size_t dimensions) {
  require_dimensions(code, dimensions);
  if (code == SphericalCode::kSimplex) return dimensions + 1;
  if (code == SphericalCode::kOrthoplex) return 2 * dimensions;
  return code == SphericalCode::kE8 ? 240 : 196560;
}

double largest_cosine(SphericalCode code, size_t dimensions) {
  require_dimensions(code, dimensions);
  if (code == SphericalCode::kSimplex) return -1 / static_cast<double>(dimensions);
  if (code == SphericalCode::kOrthoplex) return dimensions == 1 ? -1 : 0;
  return 0.5;
}

void spherical_vector(SphericalCode code, uint64_t index, std::span<double> out) {
  CHECK(index < spherical_code_size(code, out.size()));
  if (code == SphericalCode::kSimplex) {
    simplex_vector(index, out);
  } else if (code == SphericalCode::kOrthoplex) {
    std::ranges::fill(out, 0);
    out[index % out.size()] = index < out.size() ? 1 : -1;
  } else {
    lattice_vector(code == SphericalCode::kE8 ? Classical::kE8 : Classical::kLeech, index, out);
  }
}

}  // namespace cllm::lattice
