// libprimemath, C interface: primes, factors, signatures, the Ulam spiral, clocks, and fixed-point
// numbers of any length. The C++ headers number/*.h describe each in full.
#ifndef PRIMEMATH_NUMBER_H
#define PRIMEMATH_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#include "primemath/status.h"

#ifdef __cplusplus
extern "C" {
#endif

// ---- Primes and factors

// *count = how many primes p have first <= p <= last.
PRIMEMATH_API primemath_status primemath_count_primes(uint64_t first, uint64_t last,
                                                      uint64_t* count);
// *prime = the n-th prime; the first is 2.
PRIMEMATH_API primemath_status primemath_nth_prime(uint64_t n, uint64_t* prime);
// 1 if n is prime, else 0.
PRIMEMATH_API int primemath_is_prime(uint64_t n);
// Euclid's greatest common divisor; of 0 and n, n.
PRIMEMATH_API uint64_t primemath_gcd(uint64_t a, uint64_t b);

#define PRIMEMATH_MAX_FACTORS 15

typedef struct primemath_prime_power {
  uint64_t prime;
  int exponent;
} primemath_prime_power;

// factors [*count] = the prime powers of n, ascending; none for 0 and 1. The array must have room
// for PRIMEMATH_MAX_FACTORS.
PRIMEMATH_API primemath_status primemath_factor(uint64_t n, primemath_prime_power* factors,
                                                size_t* count);

typedef struct primemath_prime_iterator primemath_prime_iterator;

PRIMEMATH_API primemath_status primemath_prime_iterator_create(uint64_t first,
                                                               primemath_prime_iterator** iterator);
// The next prime up, at first the least >= first; the next one down, at first the largest <= first.
// PRIMEMATH_END where there is none below 2^64, and below 2.
PRIMEMATH_API primemath_status primemath_prime_iterator_next(primemath_prime_iterator* iterator,
                                                             uint64_t* prime);
PRIMEMATH_API primemath_status primemath_prime_iterator_previous(primemath_prime_iterator* iterator,
                                                                 uint64_t* prime);
PRIMEMATH_API void primemath_prime_iterator_destroy(primemath_prime_iterator* iterator);

// ---- Orders of the plane

// Ulam's spiral: n >= 1 to its cell and back.
PRIMEMATH_API primemath_status primemath_ulam_point(uint64_t n, int64_t* x, int64_t* y);
PRIMEMATH_API primemath_status primemath_ulam_number(int64_t x, int64_t y, uint64_t* n);
// Hilbert's curve on the square of side 2^order, order 0 to 31.
PRIMEMATH_API primemath_status primemath_hilbert_point(int order, uint64_t index, int64_t* x,
                                                       int64_t* y);
PRIMEMATH_API primemath_status primemath_hilbert_index(int order, int64_t x, int64_t y,
                                                       uint64_t* index);
// xy [2 * width * height] = x and y of every cell of the rectangle, neighbours beside each other.
// capacity: numbers that xy has room for.
PRIMEMATH_API primemath_status primemath_rectangle_order(int64_t width, int64_t height, int64_t* xy,
                                                         size_t capacity);

// ---- Signatures: sets of primes as bits, scanned by the million

typedef struct primemath_signature_table primemath_signature_table;

typedef struct primemath_match {
  int64_t row;
  uint32_t shared;
} primemath_match;

// Rows of `bits` bits, each (bits + 63) / 64 words, bit 0 the lowest of word 0.
PRIMEMATH_API primemath_status primemath_signature_table_create(size_t bits,
                                                                primemath_signature_table** table);
// Appends `rows` rows. Bits beyond `bits` must be 0.
PRIMEMATH_API primemath_status primemath_signature_table_add(primemath_signature_table* table,
                                                             const uint64_t* words, size_t rows);
PRIMEMATH_API int64_t primemath_signature_table_rows(const primemath_signature_table* table);
// shared [rows] = how many bits each row has in common with the query.
PRIMEMATH_API primemath_status
primemath_signature_table_scan(const primemath_signature_table* table, const uint64_t* query,
                               uint32_t* shared, size_t capacity);
// matches [*found]: the `count` rows (or all, if there are fewer) that share the most, most first,
// equals by row.
PRIMEMATH_API primemath_status primemath_signature_table_top(const primemath_signature_table* table,
                                                             const uint64_t* query, size_t count,
                                                             primemath_match* matches,
                                                             size_t* found);
PRIMEMATH_API void primemath_signature_table_destroy(primemath_signature_table* table);

// ---- Clocks: residue number systems

typedef struct primemath_residue_system primemath_residue_system;

// Pairwise coprime moduli, each at least 2.
PRIMEMATH_API primemath_status primemath_residue_system_create(const uint64_t* moduli, size_t count,
                                                               primemath_residue_system** system);
// residues [count] of the decimal integer `number`.
PRIMEMATH_API primemath_status primemath_residue_system_residues(
    const primemath_residue_system* system, const char* number, uint64_t* residues);
// The number from 0 that has these residues, in decimal with a final NUL. *needed (may be null) =
// the bytes it takes.
PRIMEMATH_API primemath_status
primemath_residue_system_value(const primemath_residue_system* system, const uint64_t* residues,
                               char* buffer, size_t size, size_t* needed);
PRIMEMATH_API void primemath_residue_system_destroy(primemath_residue_system* system);

// *shift = the smallest shift in [1, limit] after which every clock of the given numbers of
// positions is within numerator / denominator turns of where it was; PRIMEMATH_END if there is
// none. By exhaustive search.
PRIMEMATH_API primemath_status primemath_clock_coincidence(const uint64_t* clocks, size_t count,
                                                           uint64_t limit, uint64_t numerator,
                                                           uint64_t denominator, uint64_t* shift);

// ---- Fixed-point numbers of any length

typedef struct primemath_fixed primemath_fixed;

// From a decimal text, rounded to the nearest multiple of 2^-bits; from a finite double, exactly.
PRIMEMATH_API primemath_status primemath_fixed_create(const char* text, int64_t bits,
                                                      primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_create_from_double(double value,
                                                                  primemath_fixed** result);
PRIMEMATH_API void primemath_fixed_destroy(primemath_fixed* value);
// The exact decimal with a final NUL. *needed (may be null) = the bytes it takes.
PRIMEMATH_API primemath_status primemath_fixed_print(const primemath_fixed* value, char* buffer,
                                                     size_t size, size_t* needed);
PRIMEMATH_API primemath_status primemath_fixed_to_double(const primemath_fixed* value,
                                                         double* result);
// *order = -1, 0 or 1.
PRIMEMATH_API primemath_status primemath_fixed_compare(const primemath_fixed* a,
                                                       const primemath_fixed* b, int* order);

// Exact.
PRIMEMATH_API primemath_status primemath_fixed_add(const primemath_fixed* a,
                                                   const primemath_fixed* b,
                                                   primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_subtract(const primemath_fixed* a,
                                                        const primemath_fixed* b,
                                                        primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_multiply(const primemath_fixed* a,
                                                        const primemath_fixed* b,
                                                        primemath_fixed** result);
// Correctly rounded to the nearest multiple of 2^-bits, ties to even.
PRIMEMATH_API primemath_status primemath_fixed_divide(const primemath_fixed* a,
                                                      const primemath_fixed* b, int64_t bits,
                                                      primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_sqrt(const primemath_fixed* a, int64_t bits,
                                                    primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_exp(const primemath_fixed* a, int64_t bits,
                                                   primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_log(const primemath_fixed* a, int64_t bits,
                                                   primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_sin(const primemath_fixed* a, int64_t bits,
                                                   primemath_fixed** result);
PRIMEMATH_API primemath_status primemath_fixed_cos(const primemath_fixed* a, int64_t bits,
                                                   primemath_fixed** result);

#ifdef __cplusplus
}
#endif

#endif
