// The C interface: results, and a status instead of an exception for everything else.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "primemath/number.h"

namespace {

TEST(CNumber, PrimesAndFactors) {
  uint64_t value = 0;
  EXPECT_EQ(primemath_count_primes(0, 100, &value), PRIMEMATH_OK);
  EXPECT_EQ(value, 25u);
  EXPECT_EQ(primemath_nth_prime(100, &value), PRIMEMATH_OK);
  EXPECT_EQ(value, 541u);
  EXPECT_EQ(primemath_is_prime(541), 1);
  EXPECT_EQ(primemath_is_prime(540), 0);
  EXPECT_EQ(primemath_gcd(12, 18), 6u);
  primemath_prime_power factors[PRIMEMATH_MAX_FACTORS];
  size_t count = 0;
  EXPECT_EQ(primemath_factor(614889782588491410u, factors, &count), PRIMEMATH_OK);
  EXPECT_EQ(count, 15u);
  EXPECT_EQ(factors[14].prime, 47u);
}

TEST(CNumber, FailuresLeaveOutputsAndAMessage) {
  uint64_t value = 7;
  EXPECT_EQ(primemath_nth_prime(0, &value), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(value, 7u);
  EXPECT_NE(std::string(primemath_last_error()).find("no such prime"), std::string::npos);
  EXPECT_EQ(primemath_nth_prime(1, nullptr), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_STREQ(primemath_last_error(), "prime: is null; give a valid pointer");
  // Each thread has its own.
  std::string other = "?";
  std::thread([&] { other = primemath_last_error(); }).join();
  EXPECT_EQ(other, "");
  EXPECT_STREQ(primemath_status_name(PRIMEMATH_END), "END");
  EXPECT_NE(std::string(primemath_version()), "");
}

TEST(CNumber, IteratorEnds) {
  primemath_prime_iterator* primes = nullptr;
  uint64_t prime = 0;
  ASSERT_EQ(primemath_prime_iterator_create(3, &primes), PRIMEMATH_OK);
  EXPECT_EQ(primemath_prime_iterator_next(primes, &prime), PRIMEMATH_OK);
  EXPECT_EQ(prime, 3u);
  EXPECT_EQ(primemath_prime_iterator_previous(primes, &prime), PRIMEMATH_OK);
  EXPECT_EQ(prime, 2u);
  EXPECT_EQ(primemath_prime_iterator_previous(primes, &prime), PRIMEMATH_END);
  EXPECT_EQ(primemath_prime_iterator_next(nullptr, &prime), PRIMEMATH_INVALID_ARGUMENT);
  primemath_prime_iterator_destroy(primes);
  primemath_prime_iterator_destroy(nullptr);
}

TEST(CNumber, OrdersOfThePlane) {
  int64_t x = 0, y = 0;
  uint64_t n = 0;
  EXPECT_EQ(primemath_ulam_point(8, &x, &y), PRIMEMATH_OK);
  EXPECT_TRUE(x == 0 && y == -1);
  EXPECT_EQ(primemath_ulam_number(x, y, &n), PRIMEMATH_OK);
  EXPECT_EQ(n, 8u);
  EXPECT_EQ(primemath_ulam_number(INT64_MAX, 0, &n), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_hilbert_point(1, 2, &x, &y), PRIMEMATH_OK);
  EXPECT_TRUE(x == 1 && y == 1);
  EXPECT_EQ(primemath_hilbert_index(1, 1, 1, &n), PRIMEMATH_OK);
  EXPECT_EQ(n, 2u);
  EXPECT_EQ(primemath_hilbert_point(1, 4, &x, &y), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_hilbert_point(32, 0, &x, &y), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_hilbert_index(1, -1, 0, &n), PRIMEMATH_INVALID_ARGUMENT);
  std::vector<int64_t> xy(12);
  EXPECT_EQ(primemath_rectangle_order(3, 2, xy.data(), 12), PRIMEMATH_OK);
  EXPECT_EQ(primemath_rectangle_order(3, 2, xy.data(), 11), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_rectangle_order(0, 2, nullptr, 0), PRIMEMATH_OK);
  EXPECT_EQ(primemath_rectangle_order(-3, 2, nullptr, 0), PRIMEMATH_INVALID_ARGUMENT);
}

TEST(CNumber, SignaturesAreScanned) {
  primemath_signature_table* table = nullptr;
  ASSERT_EQ(primemath_signature_table_create(10, &table), PRIMEMATH_OK);
  const uint64_t rows[] = {0x3ff, 0x0f, 0x300};
  const uint64_t dirty = 0x400, query = 0x30f;
  EXPECT_EQ(primemath_signature_table_add(table, rows, 3), PRIMEMATH_OK);
  EXPECT_EQ(primemath_signature_table_add(table, &dirty, 1), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_signature_table_add(table, rows, SIZE_MAX), PRIMEMATH_OUT_OF_MEMORY);
  EXPECT_EQ(primemath_signature_table_rows(table), 3);
  uint32_t shared[3] = {};
  EXPECT_EQ(primemath_signature_table_scan(table, &query, shared, 3), PRIMEMATH_OK);
  EXPECT_TRUE(shared[0] == 6 && shared[1] == 4 && shared[2] == 2);
  EXPECT_EQ(primemath_signature_table_scan(table, &query, shared, 2), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_signature_table_scan(table, &dirty, shared, 3), PRIMEMATH_INVALID_ARGUMENT);
  primemath_match matches[2];
  size_t found = 0;
  EXPECT_EQ(primemath_signature_table_top(table, &query, 2, matches, &found), PRIMEMATH_OK);
  EXPECT_TRUE(found == 2 && matches[0].row == 0 && matches[1].row == 1 && matches[1].shared == 4);
  primemath_signature_table_destroy(table);
  EXPECT_EQ(primemath_signature_table_create(0, &table), PRIMEMATH_INVALID_ARGUMENT);
}

TEST(CNumber, ResiduesGoBothWays) {
  const uint64_t moduli[] = {1000003, 1000033, 1000037};
  primemath_residue_system* system = nullptr;
  ASSERT_EQ(primemath_residue_system_create(moduli, 3, &system), PRIMEMATH_OK);
  uint64_t residues[3];
  EXPECT_EQ(primemath_residue_system_residues(system, "123456789012345678", residues),
            PRIMEMATH_OK);
  char buffer[32];
  size_t needed = 0;
  EXPECT_EQ(primemath_residue_system_value(system, residues, buffer, sizeof buffer, &needed),
            PRIMEMATH_OK);
  EXPECT_STREQ(buffer, "123456789012345678");
  EXPECT_EQ(needed, 19u);
  EXPECT_EQ(primemath_residue_system_value(system, residues, buffer, 18, &needed),
            PRIMEMATH_BUFFER_TOO_SMALL);
  EXPECT_EQ(primemath_residue_system_value(system, residues, nullptr, 0, nullptr),
            PRIMEMATH_BUFFER_TOO_SMALL);
  for (const char* text : {"", "-", " 1", "0x1", "1e3", "--1", "one"})
    EXPECT_EQ(primemath_residue_system_residues(system, text, residues), PRIMEMATH_BAD_DATA);
  primemath_residue_system_destroy(system);
  const uint64_t sharing[] = {6, 4};
  EXPECT_EQ(primemath_residue_system_create(sharing, 2, &system), PRIMEMATH_INVALID_ARGUMENT);
}

TEST(CNumber, ClocksCoincide) {
  const uint64_t clocks[] = {4, 6, 10};
  uint64_t shift = 0;
  EXPECT_EQ(primemath_clock_coincidence(clocks, 3, 1000, 0, 1, &shift), PRIMEMATH_OK);
  EXPECT_EQ(shift, 60u);
  EXPECT_EQ(primemath_clock_coincidence(clocks, 3, 59, 0, 1, &shift), PRIMEMATH_END);
  EXPECT_EQ(primemath_clock_coincidence(clocks, 3, 59, 1, 0, &shift), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_clock_coincidence(clocks, 3, 59, 2, 3, &shift), PRIMEMATH_INVALID_ARGUMENT);
}

struct Destroy {
  void operator()(primemath_fixed* value) const { primemath_fixed_destroy(value); }
};
using Fixed = std::unique_ptr<primemath_fixed, Destroy>;

Fixed fixed(const char* text) {
  primemath_fixed* value = nullptr;
  EXPECT_EQ(primemath_fixed_create(text, 64, &value), PRIMEMATH_OK) << primemath_last_error();
  return Fixed(value);
}

std::string printed(const primemath_fixed* value) {
  std::vector<char> buffer(200);
  EXPECT_EQ(primemath_fixed_print(value, buffer.data(), buffer.size(), nullptr), PRIMEMATH_OK);
  return buffer.data();
}

TEST(CNumber, FixedPointComputes) {
  const Fixed a = fixed("2.5"), b = fixed("-0.5");
  primemath_fixed* result = nullptr;
  const auto expect = [&](primemath_status status, const char* text) {
    ASSERT_EQ(status, PRIMEMATH_OK) << primemath_last_error();
    EXPECT_EQ(printed(result), text);
    primemath_fixed_destroy(result);
  };
  expect(primemath_fixed_add(a.get(), b.get(), &result), "2");
  expect(primemath_fixed_subtract(a.get(), b.get(), &result), "3");
  expect(primemath_fixed_multiply(a.get(), b.get(), &result), "-1.25");
  expect(primemath_fixed_divide(a.get(), b.get(), 3, &result), "-5");
  expect(primemath_fixed_sqrt(a.get(), 3, &result), "1.625");
  expect(primemath_fixed_exp(a.get(), 3, &result), "12.125");
  expect(primemath_fixed_log(a.get(), 3, &result), "0.875");
  expect(primemath_fixed_sin(a.get(), 3, &result), "0.625");
  expect(primemath_fixed_cos(a.get(), 3, &result), "-0.75");
  expect(primemath_fixed_create_from_double(-0.375, &result), "-0.375");
  double value = 0;
  int order = 0;
  EXPECT_EQ(primemath_fixed_to_double(b.get(), &value), PRIMEMATH_OK);
  EXPECT_EQ(value, -0.5);
  EXPECT_EQ(primemath_fixed_compare(b.get(), a.get(), &order), PRIMEMATH_OK);
  EXPECT_EQ(order, -1);
}

TEST(CNumber, FixedPointRefuses) {
  const Fixed zero = fixed("0"), minus = fixed("-1");
  primemath_fixed* result = nullptr;
  EXPECT_EQ(primemath_fixed_create("1x", 64, &result), PRIMEMATH_BAD_DATA);
  EXPECT_EQ(primemath_fixed_create("1e999999999", 64, &result), PRIMEMATH_OUT_OF_MEMORY);
  EXPECT_EQ(primemath_fixed_create("1", -1, &result), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_fixed_create(nullptr, 1, &result), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_fixed_create_from_double(NAN, &result), PRIMEMATH_BAD_DATA);
  EXPECT_EQ(primemath_fixed_divide(minus.get(), zero.get(), 1, &result),
            PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_fixed_log(minus.get(), 1, &result), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(primemath_fixed_add(minus.get(), nullptr, &result), PRIMEMATH_INVALID_ARGUMENT);
  EXPECT_EQ(result, nullptr);
}

}  // namespace
