// The text format of bases and targets. Whatever it is, it is read or refused with one line; what
// is read prints to a text that reads as the same, and small bases go through reduction, the judges
// and the searches.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "lattice/closest.h"
#include "lattice/exact_linear.h"
#include "lattice/reduce.h"
#include "lattice/shortest.h"
#include "lattice/text.h"
#include "lattice/verify.h"

namespace {

using cllm::Error;
namespace l = cllm::lattice;

// An input is to take milliseconds.
bool is_small(const l::IntegerMatrix& basis) {
  return basis.rows() <= 8 && basis.columns() <= 12 && l::longest_entry_bits(basis) <= 300;
}

void search(const l::IntegerMatrix& basis) {
  const l::IntegerMatrix reduced = l::reduce(basis).basis;
  CHECK(!l::object_to_reduced(reduced, 0.99, 0.51));
  CHECK(!l::object_to_same_lattice(basis, reduced));
  CHECK(l::hermite_normal_form(basis) == l::hermite_normal_form(reduced));
  const l::ShortestVector shortest = l::shortest_vector(basis);
  CHECK(shortest.norm2 > 0 && shortest.norm2 <= l::norm2(reduced.row(0)));
  CHECK(!l::object_to_member(shortest.vector, basis));
}

void find_closest(const l::IntegerMatrix& basis, const l::RationalVector& target) {
  const l::ClosestSolver solver(basis);
  const mpq_class plane = solver.nearest_plane(target).distance2;
  CHECK(solver.k_best(target, 4).distance2 <= plane);
  const l::ClosestVector exact = solver.exact(target);
  CHECK(exact.distance2 <= plane);
  CHECK(!l::object_to_closest(exact.vector, solver.basis(), target));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto values = l::parse_values(text, "input");
    if (values.empty()) return 0;
    const l::IntegerMatrix basis = l::integer_matrix(values.front(), "input");
    CHECK(l::parse_basis(l::format_matrix(basis), "again") == basis);
    if (!is_small(basis)) return 0;
    search(basis);
    for (size_t i = 1; i < values.size() && i < 4; ++i)
      for (const l::RationalVector& target : l::rational_rows(values[i], "input"))
        find_closest(basis, target);
  } catch (const Error& error) {
    CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
  return 0;
}
