// The C interface of an installed libprimemath, in plain C11.
#include <primemath/primemath.h>
#include <stdio.h>
#include <string.h>

static int failures = 0;

static void expect(int condition, const char* what) {
  if (condition) return;
  fprintf(stderr, "FAILED: %s (%s)\n", what, primemath_last_error());
  ++failures;
}

int main(void) {
  uint64_t count = 0;
  expect(primemath_count_primes(0, 1000000, &count) == PRIMEMATH_OK && count == 78498, "pi(10^6)");

  primemath_prime_power factors[PRIMEMATH_MAX_FACTORS];
  size_t found = 0;
  expect(primemath_factor(60, factors, &found) == PRIMEMATH_OK && found == 3 &&
             factors[0].prime == 2 && factors[0].exponent == 2,
         "60 = 2^2 * 3 * 5");

  primemath_fixed* two = NULL;
  primemath_fixed* root = NULL;
  char text[64];
  expect(primemath_fixed_create("2", 0, &two) == PRIMEMATH_OK, "2");
  expect(primemath_fixed_sqrt(two, 32, &root) == PRIMEMATH_OK, "sqrt(2)");
  expect(primemath_fixed_print(root, text, sizeof text, NULL) == PRIMEMATH_OK &&
             strncmp(text, "1.41421356", 10) == 0,
         "digits of sqrt(2)");
  primemath_fixed_destroy(root);
  primemath_fixed_destroy(two);

  const char* rows = "[[1 0 331][0 1 303][0 0 1000]]";
  primemath_basis* basis = NULL;
  expect(primemath_basis_parse(rows, strlen(rows), &basis) == PRIMEMATH_OK, "a basis");
  expect(primemath_basis_rows(basis) == 3, "three rows");
  primemath_basis_destroy(basis);

  expect(primemath_nth_prime(0, &count) == PRIMEMATH_INVALID_ARGUMENT, "no 0th prime");
  expect(strlen(primemath_last_error()) != 0, "a message");
  printf("libprimemath %s from C: %d failures\n", primemath_version(), failures);
  return failures == 0 ? 0 : 1;
}
