#include "number/primes.h"

#include <primesieve.hpp>

#include "base/check.h"
#include "base/error.h"

namespace cllm::number {
namespace {

constexpr uint64_t kMaxListed = uint64_t{1} << 32;
constexpr uint64_t kMaxFirst = uint64_t{1} << 28;
constexpr uint64_t kMaxMarked = uint64_t{1} << 36;
constexpr uint64_t kMaxCounted = uint64_t{1} << 32;

// primesieve's failures (a thread or memory it could not have) as ours.
template <class Work>
auto sieved(Work work) {
  try {
    return work();
  } catch (const primesieve::primesieve_error& error) {
    throw Error(ErrorKind::kRuntime, "sieve", error.what(), "choose a smaller range");
  }
}

void require_span(uint64_t first, uint64_t last, uint64_t most) {
  if (first <= last && last - first >= most)
    throw Error(ErrorKind::kMemory, fmt::format("[{}, {}]", first, last),
                fmt::format("more than {} numbers", most), "choose a smaller range");
}

}  // namespace

void set_sieve_threads(int threads) {
  CHECK(threads >= 1);
  primesieve::set_num_threads(threads);
}

uint64_t count_primes(uint64_t first, uint64_t last) {
  if (first > last) return 0;
  return sieved([&] { return primesieve::count_primes(first, last); });
}

uint64_t nth_prime(uint64_t n) {
  if (n == 0 || n > kPrimesBelow2To64)
    throw Error(ErrorKind::kUsage, fmt::format("{}", n), "no such prime below 2^64",
                fmt::format("the first is 1, the last {}", kPrimesBelow2To64));
  return sieved([&] { return primesieve::nth_prime(static_cast<int64_t>(n), 0); });
}

std::vector<uint64_t> primes_between(uint64_t first, uint64_t last) {
  std::vector<uint64_t> primes;
  if (first > last) return primes;
  require_span(first, last, kMaxListed);
  sieved([&] { primesieve::generate_primes(first, last, &primes); });
  return primes;
}

std::vector<uint64_t> first_primes(uint64_t n) {
  if (n > kMaxFirst)
    throw Error(ErrorKind::kMemory, fmt::format("{} primes", n), "too many to list",
                fmt::format("at most {}", kMaxFirst));
  std::vector<uint64_t> primes;
  sieved([&] { primesieve::generate_n_primes(n, &primes); });
  return primes;
}

PrimeMarks::PrimeMarks(uint64_t first, uint64_t last) : first_(first) {
  if (first > last) return;
  require_span(first, last, kMaxMarked);
  words_.resize((last - first) / 64 + 1);
  PrimeIterator primes(first, last);
  for (auto p = primes.next(); p && *p <= last; p = primes.next())
    words_[(*p - first) / 64] |= uint64_t{1} << ((*p - first) % 64);
}

std::vector<uint8_t> factor_counts(uint64_t limit) {
  require_span(1, limit, kMaxCounted);
  std::vector<uint8_t> counts(limit + 1);
  PrimeIterator primes(2, limit);
  for (auto p = primes.next(); p && *p <= limit; p = primes.next())
    for (uint64_t power = *p; power <= limit; power *= *p) {
      for (uint64_t n = power; n <= limit; n += power)
        ++counts[n];
      if (power > limit / *p) break;
    }
  return counts;
}

// `given`: the last prime handed out, whose neighbours come next; none at first.
struct PrimeIterator::State {
  State(uint64_t start, uint64_t hint) : first(start), last(hint), up(start, hint), down(start) {}
  uint64_t first, last;
  primesieve::iterator up, down;
  std::optional<uint64_t> given;
  bool up_valid = true, down_valid = true;  // whether the walker stands beside `given`
};

PrimeIterator::PrimeIterator(uint64_t first, uint64_t last)
    : state_(std::make_unique<State>(first, last)) {}
PrimeIterator::~PrimeIterator() = default;
PrimeIterator::PrimeIterator(PrimeIterator&&) noexcept = default;
PrimeIterator& PrimeIterator::operator=(PrimeIterator&&) noexcept = default;

std::optional<uint64_t> PrimeIterator::next() {
  State& s = *state_;
  const uint64_t from = s.given ? *s.given + 1 : s.first;
  if (from > kLargestPrime) return std::nullopt;
  if (!s.up_valid) s.up.jump_to(from, std::max(from, s.last));
  s.up_valid = true, s.down_valid = false;
  s.given = sieved([&] { return s.up.next_prime(); });
  return s.given;
}

std::optional<uint64_t> PrimeIterator::previous() {
  State& s = *state_;
  const uint64_t from = s.given ? *s.given - 1 : s.first;
  if (from < 2) return std::nullopt;
  if (!s.down_valid) s.down.jump_to(from);
  s.down_valid = true, s.up_valid = false;
  s.given = sieved([&] { return s.down.prev_prime(); });
  return s.given;
}

}  // namespace cllm::number
