// The C++ interface of an installed libprimemath.
#include <lattice/exact_linear.h>
#include <lattice/reduce.h>
#include <lattice/text.h>
#include <lattice/verify.h>
#include <number/big_fixed.h>
#include <number/clocks.h>
#include <number/factor.h>
#include <number/gcd.h>
#include <number/hilbert.h>
#include <number/primes.h>
#include <number/signature_table.h>
#include <number/ulam.h>
#include <threads/pool.h>

#include <cstdio>
#include <stdexcept>

namespace {

int failures = 0;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "FAILED: %s\n", what);
  ++failures;
}

}  // namespace

int main() {
  using namespace cllm::number;
  expect(count_primes(0, 1000000) == 78498, "pi(10^6)");
  expect(is_prime(kLargestPrime), "the largest 64-bit prime");
  expect(ulam_number(ulam_point(12345)) == 12345, "the spiral goes both ways");
  expect(rectangle_order(5, 3).size() == 15, "an order of a rectangle");
  expect(ResidueSystem({3, 5, 7}).value(std::vector<uint64_t>{2, 3, 2}) == 23, "Sunzi");
  expect(divide(BigFixed(1), BigFixed(4), 2).to_string() == "0.25", "1/4");

  const PrimeBase base(100);
  SignatureTable table(base.size());
  table.add(to_signature(2 * 3 * 5 * 7, base));
  table.add(to_signature(3 * 5 * 541, base));
  cllm::ThreadPool pool(2);
  const auto best = table.top(to_signature(5 * 541, base), 1, &pool);
  expect(best.size() == 1 && best[0].row == 1 && best[0].shared == 2, "the best match");

  const auto basis = cllm::lattice::parse_basis("[[1 0 331][0 1 303][0 0 1000]]", "text");
  const auto reduced = cllm::lattice::reduce(basis);
  expect(!cllm::lattice::object_to_reduced(reduced.basis, 0.99, 0.51), "a reduced basis");
  expect(abs(cllm::lattice::determinant(reduced.basis)) == 1000, "the same determinant");

  // Failures come as exceptions of the standard library's kind.
  try {
    nth_prime(0);
    expect(false, "an exception");
  } catch (const std::runtime_error&) {
  }
  std::printf("libprimemath from C++: %d failures\n", failures);
  return failures == 0 ? 0 : 1;
}
