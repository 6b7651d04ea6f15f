// libprimemath, C interface: lattices. Bases of integers of any length, their reduction, shortest
// and closest vectors, judges of such results; the classical lattices, their minimal vectors and
// decoders; spherical codes. The C++ headers lattice/*.h describe each in full.
#ifndef PRIMEMATH_LATTICE_H
#define PRIMEMATH_LATTICE_H

#include <stddef.h>
#include <stdint.h>

#include "primemath/status.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Bases: rows of integers

typedef struct primemath_basis primemath_basis;

// From fplll's text form "[[1 2][3 4]]"; `length` bytes, no final NUL needed.
PRIMEMATH_API primemath_status primemath_basis_parse(const char* text, size_t length,
                                                     primemath_basis** basis);
// entries [rows * columns], row after row.
PRIMEMATH_API primemath_status primemath_basis_create(const int64_t* entries, size_t rows,
                                                      size_t columns, primemath_basis** basis);
PRIMEMATH_API void primemath_basis_destroy(primemath_basis* basis);
PRIMEMATH_API size_t primemath_basis_rows(const primemath_basis* basis);
PRIMEMATH_API size_t primemath_basis_columns(const primemath_basis* basis);
// PRIMEMATH_BAD_DATA if the entry does not fit in 64 bits.
PRIMEMATH_API primemath_status primemath_basis_entry(const primemath_basis* basis, size_t row,
                                                     size_t column, int64_t* entry);
// The text form with a final NUL. *needed (may be null) = the bytes it takes.
PRIMEMATH_API primemath_status primemath_basis_print(const primemath_basis* basis, char* buffer,
                                                     size_t size, size_t* needed);

// ---- Reduction and searches
//
// Rows must be linearly independent, else PRIMEMATH_BAD_DATA. Each result is a new basis (of one
// row where it is a vector), given back by primemath_basis_destroy.

// Called now and then from the calling thread; not 0 ends the work with PRIMEMATH_FAILED. phase:
// "LLL", "BKZ" or "search"; total: 0 if unknown. Null is allowed where one is taken.
typedef int (*primemath_progress)(void* context, const char* phase, uint64_t done, uint64_t total);

// LLL with 0.25 < delta < 1 and 0.5 < eta < sqrt(delta) (0.99 and 0.51 are usual), then BKZ if
// block_size is not 0.
PRIMEMATH_API primemath_status primemath_basis_reduce(const primemath_basis* basis, double delta,
                                                      double eta, int block_size,
                                                      primemath_progress progress, void* context,
                                                      primemath_basis** reduced);
PRIMEMATH_API primemath_status primemath_basis_hermite(const primemath_basis* basis,
                                                       primemath_basis** form);
PRIMEMATH_API primemath_status primemath_shortest_vector(const primemath_basis* basis,
                                                         primemath_progress progress, void* context,
                                                         primemath_basis** vector);

typedef enum primemath_closest_method {
  PRIMEMATH_CLOSEST_ROUNDING = 0,
  PRIMEMATH_CLOSEST_PLANE = 1,
  PRIMEMATH_CLOSEST_K_BEST = 2,
  PRIMEMATH_CLOSEST_EXACT = 3,
  PRIMEMATH_CLOSEST_INT = 0x7fffffff  // none: makes every int a value that can be refused
} primemath_closest_method;

// target [columns], finite, taken as the exact values of the doubles. width: of K-best. distance
// may be null.
PRIMEMATH_API primemath_status primemath_closest_vector(const primemath_basis* basis,
                                                        const double* target,
                                                        primemath_closest_method method, int width,
                                                        primemath_progress progress, void* context,
                                                        primemath_basis** vector, double* distance);

// ---- Judges: *holds = 1 or 0; where 0, primemath_last_error says what is wrong.

PRIMEMATH_API primemath_status primemath_is_reduced(const primemath_basis* basis, double delta,
                                                    double eta, int* holds);
PRIMEMATH_API primemath_status primemath_is_same_lattice(const primemath_basis* left,
                                                         const primemath_basis* right, int* holds);
// vector: a basis of one row.
PRIMEMATH_API primemath_status primemath_is_member(const primemath_basis* vector,
                                                   const primemath_basis* basis, int* holds);

// ---- Classical lattices, in the integer coordinates of lattice/classical.h

typedef enum primemath_classical {
  PRIMEMATH_A2 = 0,
  PRIMEMATH_D4 = 1,
  PRIMEMATH_E8 = 2,
  PRIMEMATH_BW16 = 3,
  PRIMEMATH_LEECH = 4,
  PRIMEMATH_CLASSICAL_INT = 0x7fffffff  // none, as above
} primemath_classical;

// 2, 4, 8, 16, 24; 0 for no lattice of this list.
PRIMEMATH_API size_t primemath_classical_dimension(primemath_classical lattice);
// 6, 24, 240, 4320, 196560; 0 likewise.
PRIMEMATH_API uint32_t primemath_kissing_number(primemath_classical lattice);
// vector [dimension]: number `index` of the minimal vectors, and back. PRIMEMATH_END if it is none.
PRIMEMATH_API primemath_status primemath_minimal_vector(primemath_classical lattice, uint32_t index,
                                                        int32_t* vector);
PRIMEMATH_API primemath_status primemath_minimal_vector_index(primemath_classical lattice,
                                                              const int32_t* vector,
                                                              uint32_t* index);
// Nearest points of `count` targets. Coordinate i of target p is targets [i * count + p], of its
// point points [i * count + p]. distances2 [count], in the points' scale, may be null.
PRIMEMATH_API primemath_status primemath_decode(primemath_classical lattice, const double* targets,
                                                size_t count, int64_t* points, double* distances2);

// ---- Spherical codes

typedef enum primemath_spherical_code {
  PRIMEMATH_SIMPLEX = 0,
  PRIMEMATH_ORTHOPLEX = 1,
  PRIMEMATH_E8_CODE = 2,
  PRIMEMATH_LEECH_CODE = 3,
  PRIMEMATH_CODE_INT = 0x7fffffff  // none, as above
} primemath_spherical_code;

// *size = how many unit vectors there are in `dimensions`; *cosine (may be null) = the largest
// cosine between two of them.
PRIMEMATH_API primemath_status primemath_spherical_code_size(primemath_spherical_code code,
                                                             size_t dimensions, uint64_t* size,
                                                             double* cosine);
// vector [dimensions].
PRIMEMATH_API primemath_status primemath_spherical_vector(primemath_spherical_code code,
                                                          uint64_t index, size_t dimensions,
                                                          double* vector);

#ifdef __cplusplus
}
#endif

#endif
