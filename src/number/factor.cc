#include "number/factor.h"

#include <algorithm>
#include <bit>

#include "number/gcd.h"
#include "number/modular.h"

namespace cllm::number {
namespace {

constexpr uint64_t kBases[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37};
constexpr uint64_t kTrialLimit = 211;  // factors below it are found by division

// Whether an odd n > base passes the strong test to this base.
bool strong_probable_prime(const Montgomery& m, uint64_t base) {
  const uint64_t n = m.modulus(), minus_one = n - m.one();
  const int twos = std::countr_zero(n - 1);
  uint64_t x = m.power(m.from(base), (n - 1) >> twos);
  if (x == m.one() || x == minus_one) return true;
  for (int i = 1; i < twos; ++i) {
    x = m.multiply(x, x);
    if (x == minus_one) return true;
  }
  return false;
}

// A factor of m that is neither 1 nor, unless the walk x -> x^2 + c was in vain, m itself. The
// differences are multiplied in batches, so that a gcd is taken once in kBatch steps.
uint64_t brent_walk(const Montgomery& m, uint64_t c) {
  constexpr uint64_t kBatch = 128;
  const uint64_t n = m.modulus();
  const auto step = [&](uint64_t x) { return m.add(m.multiply(x, x), c); };
  const auto distance = [](uint64_t a, uint64_t b) { return a > b ? a - b : b - a; };
  uint64_t hare = m.from(2), tortoise = hare, start = hare, divisor = 1;
  for (uint64_t length = 1; divisor == 1; length *= 2) {
    tortoise = hare;
    for (uint64_t i = 0; i < length; ++i)
      hare = step(hare);
    for (uint64_t done = 0; done < length && divisor == 1; done += kBatch) {
      start = hare;
      uint64_t product = m.one();
      for (uint64_t i = 0; i < std::min(kBatch, length - done); ++i) {
        hare = step(hare);
        product = m.multiply(product, distance(tortoise, hare));
      }
      divisor = binary_gcd(product, n);
    }
  }
  // All factors met within one batch: walk it again, one gcd a step.
  while (divisor == n) {
    start = step(start);
    const uint64_t single = binary_gcd(distance(tortoise, start), n);
    if (single != 1) return single;
  }
  return divisor;
}

// Appends the prime factors of n, which has none below kTrialLimit.
void split(uint64_t n, std::vector<uint64_t>& primes) {
  if (n == 1) return;
  if (is_prime(n)) {
    primes.push_back(n);
    return;
  }
  const uint64_t root = integer_root(n);
  uint64_t divisor = root * root == n ? root : n;
  const Montgomery m(n);
  for (uint64_t c = 1; divisor == n; ++c)
    divisor = brent_walk(m, m.from(c));
  split(divisor, primes);
  split(n / divisor, primes);
}

}  // namespace

bool is_prime(uint64_t n) {
  for (const uint64_t p : kBases)
    if (n % p == 0) return n == p;
  if (n < 41 * 41) return n > 1;
  const Montgomery m(n);
  return std::all_of(std::begin(kBases), std::end(kBases),
                     [&](uint64_t base) { return strong_probable_prime(m, base); });
}

std::vector<PrimePower> factorize(uint64_t n) {
  std::vector<PrimePower> powers;
  if (n == 0) return powers;
  const auto divide_out = [&](uint64_t p) {
    PrimePower power{p, 0};
    for (; n % p == 0; n /= p)
      ++power.exponent;
    if (power.exponent != 0) powers.push_back(power);
  };
  divide_out(2);
  for (uint64_t p = 3; p < kTrialLimit && p * p <= n; p += 2)
    divide_out(p);
  if (n == 1) return powers;
  std::vector<uint64_t> primes;
  split(n, primes);
  std::sort(primes.begin(), primes.end());
  for (const uint64_t p : primes) {
    if (powers.empty() || powers.back().prime != p) powers.push_back({p, 0});
    ++powers.back().exponent;
  }
  return powers;
}

int factor_count(uint64_t n) {
  int count = 0;
  for (const PrimePower& power : factorize(n))
    count += power.exponent;
  return count;
}

uint64_t totient(uint64_t n) {
  uint64_t result = n;
  for (const PrimePower& power : factorize(n))
    result -= result / power.prime;
  return result;
}

}  // namespace cllm::number
