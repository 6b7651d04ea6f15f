// The primes below 2^64 in order: counted, listed, marked, the n-th one. primesieve (a segmented
// sieve of Eratosthenes) does the sieving; memory is O(sqrt(last)) unless a function returns more.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

namespace cllm::number {

inline constexpr uint64_t kLargestPrime = 18446744073709551557u;    // below 2^64
inline constexpr uint64_t kPrimesBelow2To64 = 425656284035217743u;  // how many there are

// How many threads count_primes and nth_prime may use, in this process (primesieve keeps it);
// default all. threads >= 1.
void set_sieve_threads(int threads);

// How many primes p have first <= p <= last; 0 if first > last. Time about (last - first) / 3e9
// seconds on one core where numbers are below 1e11, more for larger ones. Thread-safe. Error
// (kRuntime) if the sieve fails.
uint64_t count_primes(uint64_t first, uint64_t last);

// The n-th prime, nth_prime(1) = 2. Time as counting up to it. Error (kUsage) for n = 0 and for n >
// kPrimesBelow2To64.
uint64_t nth_prime(uint64_t n);

// first <= p <= last, ascending. Error (kMemory) if there are more than 2^32 numbers in between.
std::vector<uint64_t> primes_between(uint64_t first, uint64_t last);
// The first n primes. Error (kMemory) for n > 2^28.
std::vector<uint64_t> first_primes(uint64_t n);

// One bit per number of [first, last]: is it prime?
class PrimeMarks {
 public:
  // Error (kMemory) for more than 2^36 numbers. An empty range is allowed.
  PrimeMarks(uint64_t first, uint64_t last);
  // n in [first, last].
  bool operator[](uint64_t n) const {
    const uint64_t i = n - first_;
    return ((words_[i / 64] >> (i % 64)) & 1) != 0;
  }

 private:
  uint64_t first_;
  std::vector<uint64_t> words_;
};

// Omega(n), prime factors with multiplicity, of every n in [0, limit], by a sieve; 0 for 0 and 1.
// O(limit log log limit). Error (kMemory) for limit > 2^32.
std::vector<uint8_t> factor_counts(uint64_t limit);

// Walks the primes up and down from a number. Movable; one user at a time.
class PrimeIterator {
 public:
  // next() gives the first prime >= first. last: walking up will stop about there (a hint, which
  // keeps short walks cheap).
  explicit PrimeIterator(uint64_t first = 0, uint64_t last = kLargestPrime);
  ~PrimeIterator();
  PrimeIterator(PrimeIterator&&) noexcept;
  PrimeIterator& operator=(PrimeIterator&&) noexcept;

  // The prime above the last one given; none above kLargestPrime. Amortised O(log log).
  std::optional<uint64_t> next();
  // The prime below the last one given, at first the largest prime <= first; none below 2.
  std::optional<uint64_t> previous();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cllm::number
