// primemath/lattice.h: bases, reduction, searches and judges.
#include <primemath/lattice.h>

#include <cmath>
#include <memory>

#include "lattice/closest.h"
#include "lattice/exact_linear.h"
#include "lattice/reduce.h"
#include "lattice/shortest.h"
#include "lattice/text.h"
#include "lattice/verify.h"
#include "number/c_guard.h"

namespace l = cllm::lattice;

struct primemath_basis {
  l::IntegerMatrix matrix;
};

namespace {

using cllm::Error;
using cllm::ErrorKind;
using cllm::number::guarded;
using cllm::number::keep_last_error;
using cllm::number::require_argument;

l::SearchWatch watch_of(primemath_progress progress, void* context) {
  if (progress == nullptr) return {};
  return [progress, context](const l::SearchProgress& now) {
    if (progress(context, now.phase, now.done, now.total) != 0)
      throw Error(ErrorKind::kRuntime, now.phase, "was stopped by its caller", "");
  };
}

void give(l::IntegerMatrix matrix, primemath_basis** result) {
  *result = std::make_unique<primemath_basis>(primemath_basis{std::move(matrix)}).release();
}

l::IntegerMatrix one_row(const l::IntegerVector& vector) {
  l::IntegerMatrix matrix;
  matrix.append_row(vector);
  return matrix;
}

primemath_status judged(const l::Objection& objection, int* holds) {
  if (objection) keep_last_error(*objection);
  *holds = objection ? 0 : 1;
  return PRIMEMATH_OK;
}

// A judge of the library behind one of the interface.
template <class Judge>
primemath_status judge(const primemath_basis* basis, int* holds, Judge&& claim) {
  return guarded([&] {
    require_argument(basis, "basis");
    require_argument(holds, "holds");
    return judged(claim(), holds);
  });
}

l::RationalVector exact_target(const double* target, size_t size) {
  l::RationalVector exact(size);
  for (size_t j = 0; j < size; ++j) {
    if (!std::isfinite(target[j]))
      throw Error(ErrorKind::kData, "target", "is not finite", "check what made it");
    exact[j] = target[j];
  }
  return exact;
}

l::ClosestVector closest(const l::ClosestSolver& solver, const l::RationalVector& target,
                         primemath_closest_method method, int width, const l::SearchWatch& watch) {
  switch (method) {
    case PRIMEMATH_CLOSEST_ROUNDING:
      return solver.rounding(target);
    case PRIMEMATH_CLOSEST_PLANE:
      return solver.nearest_plane(target);
    case PRIMEMATH_CLOSEST_K_BEST:
      return solver.k_best(target, width);
    case PRIMEMATH_CLOSEST_EXACT:
      return solver.exact(target, watch);
    case PRIMEMATH_CLOSEST_INT:
      break;
  }
  throw Error(ErrorKind::kUsage, "method", "is unknown", "give one of the list");
}

}  // namespace

primemath_status primemath_basis_parse(const char* text, size_t length, primemath_basis** basis) {
  return guarded([&] {
    require_argument(text, "text");
    require_argument(basis, "basis");
    give(l::parse_basis({text, length}, "text"), basis);
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_basis_create(const int64_t* entries, size_t rows, size_t columns,
                                        primemath_basis** basis) {
  return guarded([&] {
    require_argument(entries, "entries");
    require_argument(basis, "basis");
    if (rows == 0 || columns == 0)
      throw Error(ErrorKind::kUsage, "rows", "the basis is empty", "give at least one number");
    l::IntegerMatrix matrix;
    for (size_t i = 0; i < rows; ++i)
      matrix.append_row(l::IntegerVector(entries + i * columns, entries + (i + 1) * columns));
    give(std::move(matrix), basis);
    return PRIMEMATH_OK;
  });
}

void primemath_basis_destroy(primemath_basis* basis) {
  const std::unique_ptr<primemath_basis> owned(basis);
}

size_t primemath_basis_rows(const primemath_basis* basis) {
  return basis == nullptr ? 0 : basis->matrix.rows();
}

size_t primemath_basis_columns(const primemath_basis* basis) {
  return basis == nullptr ? 0 : basis->matrix.columns();
}

primemath_status primemath_basis_entry(const primemath_basis* basis, size_t row, size_t column,
                                       int64_t* entry) {
  return guarded([&] {
    require_argument(basis, "basis");
    require_argument(entry, "entry");
    if (row >= basis->matrix.rows() || column >= basis->matrix.columns())
      throw Error(ErrorKind::kUsage, "row or column", "is out of range", "they count from 0");
    const mpz_class& value = basis->matrix(row, column);
    if (!value.fits_slong_p())
      throw Error(ErrorKind::kData, "entry", "does not fit in 64 bits", "print the basis instead");
    *entry = value.get_si();
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_basis_print(const primemath_basis* basis, char* buffer, size_t size,
                                       size_t* needed) {
  return guarded([&] {
    require_argument(basis, "basis");
    return cllm::number::write_text(l::format_matrix(basis->matrix), buffer, size, needed);
  });
}

primemath_status primemath_basis_reduce(const primemath_basis* basis, double delta, double eta,
                                        int block_size, primemath_progress progress, void* context,
                                        primemath_basis** reduced) {
  return guarded([&] {
    require_argument(basis, "basis");
    require_argument(reduced, "reduced");
    give(l::reduce(basis->matrix, {.delta = delta, .eta = eta, .block_size = block_size},
                   watch_of(progress, context))
             .basis,
         reduced);
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_basis_hermite(const primemath_basis* basis, primemath_basis** form) {
  return guarded([&] {
    require_argument(basis, "basis");
    require_argument(form, "form");
    l::require_independent_rows(basis->matrix, "basis");
    give(l::hermite_normal_form(basis->matrix), form);
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_shortest_vector(const primemath_basis* basis,
                                           primemath_progress progress, void* context,
                                           primemath_basis** vector) {
  return guarded([&] {
    require_argument(basis, "basis");
    require_argument(vector, "vector");
    give(one_row(l::shortest_vector(basis->matrix, watch_of(progress, context)).vector), vector);
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_closest_vector(const primemath_basis* basis, const double* target,
                                          primemath_closest_method method, int width,
                                          primemath_progress progress, void* context,
                                          primemath_basis** vector, double* distance) {
  return guarded([&] {
    require_argument(basis, "basis");
    require_argument(target, "target");
    require_argument(vector, "vector");
    const l::RationalVector exact = exact_target(target, basis->matrix.columns());
    const l::SearchWatch watch = watch_of(progress, context);
    const l::ClosestSolver solver(basis->matrix, false, watch);
    const l::ClosestVector found = closest(solver, exact, method, width, watch);
    give(one_row(found.vector), vector);
    if (distance != nullptr) *distance = std::sqrt(found.distance2.get_d());
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_is_reduced(const primemath_basis* basis, double delta, double eta,
                                      int* holds) {
  return judge(basis, holds, [&] {
    if (!std::isfinite(delta) || !std::isfinite(eta))
      throw Error(ErrorKind::kUsage, "delta or eta", "is not finite", "0.99 and 0.51 are usual");
    return l::object_to_reduced(basis->matrix, delta, eta);
  });
}

primemath_status primemath_is_same_lattice(const primemath_basis* left,
                                           const primemath_basis* right, int* holds) {
  return judge(left, holds, [&] {
    require_argument(right, "right");
    return l::object_to_same_lattice(left->matrix, right->matrix);
  });
}

primemath_status primemath_is_member(const primemath_basis* vector, const primemath_basis* basis,
                                     int* holds) {
  return judge(basis, holds, [&] {
    require_argument(vector, "vector");
    if (vector->matrix.rows() != 1)
      throw Error(ErrorKind::kUsage, "vector", "has more than one row", "give one row");
    return l::object_to_member(vector->matrix.row(0), basis->matrix);
  });
}
