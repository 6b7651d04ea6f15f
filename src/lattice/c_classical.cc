// primemath/lattice.h: classical lattices and spherical codes.
#include <primemath/lattice.h>

#include "lattice/decode.h"
#include "lattice/minimal_vectors.h"
#include "lattice/spherical_code.h"
#include "number/c_guard.h"

namespace l = cllm::lattice;

namespace {

using cllm::Error;
using cllm::ErrorKind;
using cllm::number::guarded;
using cllm::number::require_argument;

bool is_known(primemath_classical lattice) {
  return lattice >= PRIMEMATH_A2 && lattice <= PRIMEMATH_LEECH;
}

l::Classical classical(primemath_classical lattice) {
  if (!is_known(lattice))
    throw Error(ErrorKind::kUsage, "lattice", "is unknown", "give one of the list");
  return static_cast<l::Classical>(lattice);
}

l::SphericalCode spherical(primemath_spherical_code code) {
  if (code < PRIMEMATH_SIMPLEX || code > PRIMEMATH_LEECH_CODE)
    throw Error(ErrorKind::kUsage, "code", "is unknown", "give one of the list");
  return static_cast<l::SphericalCode>(code);
}

}  // namespace

size_t primemath_classical_dimension(primemath_classical lattice) {
  return is_known(lattice) ? l::facts(static_cast<l::Classical>(lattice)).dimension : 0;
}

uint32_t primemath_kissing_number(primemath_classical lattice) {
  return is_known(lattice) ? l::facts(static_cast<l::Classical>(lattice)).kissing_number : 0;
}

primemath_status primemath_minimal_vector(primemath_classical lattice, uint32_t index,
                                          int32_t* vector) {
  return guarded([&] {
    const l::ClassicalFacts& fact = l::facts(classical(lattice));
    require_argument(vector, "vector");
    if (index >= fact.kissing_number)
      throw Error(ErrorKind::kUsage, "index",
                  fmt::format("{} is not below {}", index, fact.kissing_number),
                  "minimal vectors are counted from 0");
    l::minimal_vector(classical(lattice), index, {vector, fact.dimension});
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_minimal_vector_index(primemath_classical lattice, const int32_t* vector,
                                                uint32_t* index) {
  return guarded([&] {
    const size_t dimension = l::facts(classical(lattice)).dimension;
    require_argument(vector, "vector");
    require_argument(index, "index");
    const auto found = l::minimal_vector_index(classical(lattice), {vector, dimension});
    if (!found) return PRIMEMATH_END;
    *index = *found;
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_decode(primemath_classical lattice, const double* targets, size_t count,
                                  int64_t* points, double* distances2) {
  return guarded([&] {
    const size_t size = l::facts(classical(lattice)).dimension * count;
    if (count == 0) return PRIMEMATH_OK;
    require_argument(targets, "targets");
    require_argument(points, "points");
    l::decode(classical(lattice), {targets, size}, count, {points, size},
              {distances2, distances2 == nullptr ? 0 : count});
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_spherical_code_size(primemath_spherical_code code, size_t dimensions,
                                               uint64_t* size, double* cosine) {
  return guarded([&] {
    require_argument(size, "size");
    const uint64_t found = l::spherical_code_size(spherical(code), dimensions);
    if (cosine != nullptr) *cosine = l::largest_cosine(spherical(code), dimensions);
    *size = found;
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_spherical_vector(primemath_spherical_code code, uint64_t index,
                                            size_t dimensions, double* vector) {
  return guarded([&] {
    require_argument(vector, "vector");
    if (index >= l::spherical_code_size(spherical(code), dimensions))
      throw Error(ErrorKind::kUsage, "index", "is not below the size of the code",
                  "vectors are counted from 0");
    l::spherical_vector(spherical(code), index, {vector, dimensions});
    return PRIMEMATH_OK;
  });
}
