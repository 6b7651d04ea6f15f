// Exact integer linear algebra on bases: rank, determinant, change of basis, Hermite normal form,
// dual. Independent of fplll, so that it can judge fplll's results. All by modular.h.
#pragma once

#include <optional>

#include "lattice/matrix.h"

namespace cllm::lattice {

size_t rank(const IntegerMatrix& matrix);

// Error (kData, `where`) unless the rows are at least one, independent, and of at least one column.
void require_independent_rows(const IntegerMatrix& basis, const std::string& where);

// Of a square matrix.
mpz_class determinant(const IntegerMatrix& matrix);
// det(B B^T), the squared volume of the lattice spanned by independent rows; 0 for dependent ones.
mpz_class gram_determinant(const IntegerMatrix& basis);

// The integer matrix U with U * from == to, or nothing if there is none, i.e. if a row of `to` does
// not lie in the lattice of `from`. Rows of `from` are independent. What is returned was checked by
// multiplication. O(n^3) per prime, at most log2(Hadamard bound) / 31 primes.
std::optional<IntegerMatrix> find_transform(const IntegerMatrix& from, const IntegerMatrix& to);

// The lattice's unique basis in row echelon form with positive pivots, entries above a pivot in
// [0, pivot). Rows of `basis` are independent. O(n^3) operations on integers of the size of the
// determinant (Domich, Kannan, Trotter 1987).
IntegerMatrix hermite_normal_form(const IntegerMatrix& basis);

// The dual basis, rows / denominator: <b_i, d_j> = 1 if i == j, else 0, and d_j in the span.
struct DualBasis {
  IntegerMatrix rows;
  mpz_class denominator;
};
DualBasis dual_basis(const IntegerMatrix& basis);

}  // namespace cllm::lattice
