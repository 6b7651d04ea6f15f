#include "number/ulam.h"

#include <algorithm>
#include <cstdlib>

#include "base/error.h"
#include "number/factor.h"
#include "number/modular.h"
#include "number/primes.h"

namespace cllm::number {
namespace {

constexpr int64_t kLastRing = int64_t{1} << 31;
constexpr int64_t kMaxCells = int64_t{1} << 30;
// A sieve over all numbers up to the largest costs less than one test each while there are no more
// than this many numbers per cell.
constexpr uint64_t kSieveFactor = 16;

[[noreturn]] void beyond(const std::string& where) {
  throw Error(ErrorKind::kUsage, where, "lies beyond 2^64 - 1",
              "stay nearer to the middle of the spiral");
}

// The greatest number if a sieve up to it pays, else 0.
uint64_t sieve_limit(const std::vector<uint64_t>& numbers) {
  if (numbers.empty()) return 0;
  const uint64_t last = *std::max_element(numbers.begin(), numbers.end());
  return last / kSieveFactor <= numbers.size() ? last : 0;
}

}  // namespace

Point ulam_point(uint64_t n) {
  if (n == 0) throw Error(ErrorKind::kUsage, "0", "is not on the spiral", "it begins with 1");
  if (n == 1) return {};
  const int64_t r = static_cast<int64_t>((integer_root(n - 1) + 1) / 2);
  const uint64_t inner = static_cast<uint64_t>(2 * r - 1);
  const int64_t d = static_cast<int64_t>(n - inner * inner);
  if (d <= 2 * r) return {r, d - r};
  if (d <= 4 * r) return {3 * r - d, r};
  if (d <= 6 * r) return {-r, 5 * r - d};
  return {d - 7 * r, -r};
}

uint64_t ulam_number(Point point) {
  const auto [x, y] = point;
  const bool far = x < -kLastRing || x > kLastRing || y < -kLastRing || y > kLastRing;
  if (far) beyond(fmt::format("({}, {})", x, y));
  const int64_t r = std::max(std::abs(x), std::abs(y));
  if (r == 0) return 1;
  const int64_t d = x == r && y > -r ? r + y : y == r ? 3 * r - x : x == -r ? 5 * r - y : 7 * r + x;
  const uint64_t inner = static_cast<uint64_t>(2 * r - 1);
  const uint128 n = uint128{inner} * inner + static_cast<uint64_t>(d);
  if (n >> 64 != 0) beyond(fmt::format("({}, {})", x, y));
  return static_cast<uint64_t>(n);
}

SpiralWindow spiral_window(uint64_t n, int64_t size) {
  if (size < 1 || size > kMaxCells / size)
    throw Error(ErrorKind::kUsage, fmt::format("size {}", size), "is out of range",
                "1 to 32768 cells a side");
  const Point center = ulam_point(n);
  const SpiralWindow window{{center.x - size / 2, center.y - size / 2}, size, size};
  for (const int64_t x : {int64_t{0}, size - 1})
    for (const int64_t y : {int64_t{0}, size - 1})
      static_cast<void>(ulam_number({window.low.x + x, window.low.y + y}));
  return window;
}

std::vector<uint64_t> spiral_numbers(const SpiralWindow& window) {
  std::vector<uint64_t> numbers;
  numbers.reserve(static_cast<size_t>(window.width * window.height));
  for (int64_t y = window.low.y + window.height; y-- > window.low.y;)
    for (int64_t x = window.low.x; x < window.low.x + window.width; ++x)
      numbers.push_back(ulam_number({x, y}));
  return numbers;
}

std::vector<uint8_t> prime_marks(const std::vector<uint64_t>& numbers) {
  std::vector<uint8_t> marks(numbers.size());
  if (const uint64_t last = sieve_limit(numbers); last != 0) {
    const PrimeMarks sieve(0, last);
    std::transform(numbers.begin(), numbers.end(), marks.begin(),
                   [&](uint64_t n) -> uint8_t { return sieve[n] ? 1 : 0; });
  } else {
    std::transform(numbers.begin(), numbers.end(), marks.begin(),
                   [](uint64_t n) -> uint8_t { return is_prime(n) ? 1 : 0; });
  }
  return marks;
}

std::vector<uint8_t> factor_count_marks(const std::vector<uint64_t>& numbers) {
  std::vector<uint8_t> marks(numbers.size());
  if (const uint64_t last = sieve_limit(numbers); last != 0 && last >> 32 == 0) {
    const std::vector<uint8_t> counts = factor_counts(last);
    std::transform(numbers.begin(), numbers.end(), marks.begin(),
                   [&](uint64_t n) { return counts[n]; });
  } else {
    std::transform(numbers.begin(), numbers.end(), marks.begin(),
                   [](uint64_t n) { return static_cast<uint8_t>(factor_count(n)); });
  }
  return marks;
}

}  // namespace cllm::number
