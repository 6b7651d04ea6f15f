#include "optim/exact_sum.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "ops/chunks.h"

namespace cllm::optim {
namespace {

// A digit of place p counts units of 2^(kPlaceBits p + kUnitExponent), the smallest fp32 at p = 0.
constexpr int kPlaceBits = 40, kUnitExponent = -149;
constexpr double kBase = 0x1p40;
constexpr int64_t kMask = (int64_t{1} << kPlaceBits) - 1;
// Adding it rounds a magnitude below 2^51 to an integer, which then stands in the low bits.
constexpr double kRounder = 0x1.8p52;
constexpr int32_t kInfinity = 0x7f800000;
// Top places of blocks that have seen what is no number: the larger stays.
constexpr int16_t kNan = std::numeric_limits<int16_t>::max(), kInfinite = kNan - 1;

// The bits of the largest magnitude and of the smallest that is not zero.
struct Extent {
  int32_t largest = 0, smallest = std::numeric_limits<int32_t>::max();
};

Extent extent_of(int64_t n, const float* x) {
  Extent extent;
  for (int64_t i = 0; i < n; ++i) {
    const int32_t bits = std::bit_cast<int32_t>(x[i]) & 0x7fffffff;
    extent.largest = std::max(extent.largest, bits);
    extent.smallest =
        std::min(extent.smallest, bits == 0 ? std::numeric_limits<int32_t>::max() : bits);
  }
  return extent;
}

// The lowest place whose upper neighbour's digit is zero for all magnitudes up to this: less than
// half of the neighbour's unit.
int top_place(int32_t largest) {
  return ((largest >> 23) + 23) / kPlaceBits;
}

// The highest place of whose unit every magnitude from this on is a multiple.
int low_place(int32_t smallest) {
  return (std::max(smallest >> 23, 1) - 1) / kPlaceBits;
}

// kInfinite or kNan if this is one, else below both.
int16_t mark_of(int32_t largest) {
  return largest < kInfinity ? -1 : largest == kInfinity ? kInfinite : kNan;
}

// The digit of `rest`, in units of its place, is added to the sum; what is left is returned, in
// units of the next lower place. All of it is exact.
double take_digit(double rest, int64_t& sum) {
  const double shifted = rest + kRounder;
  sum += std::bit_cast<int64_t>(shifted) - std::bit_cast<int64_t>(kRounder);
  return (rest - (shifted - kRounder)) * kBase;
}

// One pass for the usual case, digits at two neighbouring places.
void take_two_digits(int64_t n, const float* x, double scale, int64_t* high, int64_t* low) {
  for (int64_t i = 0; i < n; ++i)
    take_digit(take_digit(static_cast<double>(x[i]) * scale, high[i]), low[i]);
}

// Digits below the highest into [0, 2^40), carries upwards. The value stays.
void carry(std::span<int64_t> digits) {
  for (size_t j = 0; j + 1 < digits.size(); ++j) {
    digits[j + 1] += digits[j] >> kPlaceBits;
    digits[j] &= kMask;
  }
}

// The float nearest to the sum of digits[j] at place low + j. |digits[j]| <= 2^62; overwritten.
float nearest_float(std::span<int64_t> digits, int low) {
  carry(digits);
  const bool negative = digits.back() < 0;
  if (negative) {
    for (int64_t& digit : digits)
      digit = -digit;
    carry(digits);
  }
  size_t j = digits.size() - 1;
  while (j > 0 && digits[j] == 0)
    --j;
  int64_t head = digits[j];
  int exponent = kPlaceBits * (low + static_cast<int>(j)) + kUnitExponent;
  int64_t rest = 0;
  if (j > 0) {
    // At least 31 bits, so that the lowest stands below the bit that decides the rounding.
    if (head < int64_t{1} << 32) {
      --j;
      head = head << 30 | digits[j] >> 10;
      rest = digits[j] & 0x3ff;
      exponent -= 30;
    }
    while (j > 0)
      rest |= digits[--j];
    head |= rest != 0 ? 1 : 0;
  }
  // Subnormal only at place 0, where nothing was cut off and head is exact.
  const float magnitude = std::ldexp(static_cast<float>(head), exponent);
  return negative ? -magnitude : magnitude;
}

// The same of two digits without the loops, where a magnitude stays below 2^113.
class TwoDigitRounding {
 public:
  explicit TwoDigitRounding(int low)
      : unit_(std::ldexp(1.0, kPlaceBits * low + kUnitExponent)),
        coarse_(unit_ * 0x1p20),
        low_(low) {}

  float operator()(int64_t high, int64_t low) const {
    const int64_t sum = high + (low >> kPlaceBits), rest = low & kMask;  // 0 <= rest < 2^40
    if (std::abs(sum) < int64_t{1} << 22)
      return scaled(sum * (int64_t{1} << kPlaceBits) + rest, unit_);
    if (std::abs(sum) < int64_t{1} << 42) {
      // At least 42 bits; the last one says whether there is more below.
      const int64_t head = sum * (int64_t{1} << 20) + (rest >> 20);
      return scaled(head | ((rest & 0xfffff) != 0 ? 1 : 0), coarse_);
    }
    std::array<int64_t, 2> digits = {low, high};
    return nearest_float(digits, low_);
  }

 private:
  // Rounds once: the product with a power of two is exact, and what is subnormal needed no
  // rounding.
  static float scaled(int64_t head, double unit) {
    return static_cast<float>(static_cast<double>(static_cast<float>(head)) * unit);
  }
  double unit_, coarse_;
  int low_;
};

int64_t blocks_of(int64_t count) {
  return (count + ExactSum::kBlock - 1) / ExactSum::kBlock;
}

// Of the arena of digits.
int64_t memory_floats(int64_t count, int digits) {
  return 2 * digits * ExactSum::kBlock * blocks_of(count);
}

}  // namespace

static_assert(ops::kChunk % ExactSum::kBlock == 0);

int64_t ExactSum::planned_bytes(int64_t count, int digits) {
  return memory_floats(count, digits) * static_cast<int64_t>(sizeof(float)) +
         blocks_of(count) * static_cast<int64_t>(sizeof(Places));
}

ExactSum::ExactSum(int64_t count, int digits)
    : count_(count),
      digits_(digits),
      memory_(memory_floats(count, digits), "exact sums of gradients"),
      places_(static_cast<size_t>(blocks_of(count))) {
  CHECK_MSG(digits == kTwoDigits || digits == kAllDigits, "digits={}", digits);
  clear();
}

int64_t ExactSum::bytes() const {
  return memory_.bytes() + std::ssize(places_) * static_cast<int64_t>(sizeof(Places));
}

void ExactSum::clear() {
  terms_ = 0;
  std::ranges::fill(places_, Places{kNan, -1});
}

const int64_t* ExactSum::row(int place, int64_t block) const {
  const int64_t first = place % digits_ * std::ssize(places_) + block;
  return reinterpret_cast<const int64_t*>(memory_.data()) + first * kBlock;
}

// Places above the old ones push out the lowest where there is no room for all. A place keeps its
// row, so nothing is moved: the newcomer takes the row of the one that goes.
void ExactSum::make_room(int64_t block, Places wanted) {
  const Places old = places_[static_cast<size_t>(block)];
  const int top = std::max(old.top, wanted.top);
  const int low = std::max<int>(std::min(old.low, wanted.low), top - digits_ + 1);
  for (int place = low; place <= top; ++place)
    if (place < old.low || place > old.top) std::fill_n(row(place, block), kBlock, int64_t{0});
  places_[static_cast<size_t>(block)] = {static_cast<int16_t>(low), static_cast<int16_t>(top)};
}

void ExactSum::add_block(int64_t block, int64_t n, std::span<const float* const> parts) {
  Places& places = places_[static_cast<size_t>(block)];
  for (const float* part : parts) {
    const float* x = part + block * kBlock;
    const Extent extent = extent_of(n, x);
    if (extent.largest == 0) continue;
    const int16_t mark = std::max(mark_of(extent.largest), places.top);
    if (mark >= kInfinite) {
      places.top = mark;
      continue;
    }
    const int top = top_place(extent.largest), low = low_place(extent.smallest);
    make_room(block, {static_cast<int16_t>(low), static_cast<int16_t>(top)});
    add_digits(block, n, x, std::max<int>(low, places.low), top);
  }
}

void ExactSum::add_digits(int64_t block, int64_t n, const float* x, int low, int top) {
  const double scale = std::ldexp(1.0, -kUnitExponent - kPlaceBits * top);
  if (low == top - 1) return take_two_digits(n, x, scale, row(top, block), row(low, block));
  std::array<double, kBlock> rest;
  for (int64_t i = 0; i < n; ++i)
    rest[static_cast<size_t>(i)] = static_cast<double>(x[i]) * scale;
  for (int place = top; place >= low; --place) {
    int64_t* sums = row(place, block);
    for (int64_t i = 0; i < n; ++i)
      rest[static_cast<size_t>(i)] = take_digit(rest[static_cast<size_t>(i)], sums[i]);
  }
}

void ExactSum::add(const ops::Context& context, std::span<const float* const> parts) {
  const ops::ProfileScope scope(context.profile, "exact sum of gradients");
  terms_ += std::ssize(parts);
  CHECK_MSG(terms_ <= kMostTerms, "{} terms", terms_);
  ops::for_each_chunk(context, count_, [&](int64_t begin, int64_t n) {
    for (int64_t i = 0; i < n; i += kBlock)
      add_block((begin + i) / kBlock, std::min(kBlock, n - i), parts);
  });
}

void ExactSum::round_block(int64_t block, int64_t n, float* out) const {
  const Places places = places_[static_cast<size_t>(block)];
  if (places.top >= kInfinite) {
    using Limits = std::numeric_limits<float>;
    std::fill_n(out, n, places.top == kNan ? Limits::quiet_NaN() : Limits::infinity());
    return;
  }
  if (places.top < places.low) {
    std::fill_n(out, n, 0.0f);
    return;
  }
  const auto used = static_cast<size_t>(places.top - places.low + 1);
  std::array<const int64_t*, kAllDigits> rows{};
  for (size_t j = 0; j < used; ++j)
    rows[j] = row(places.low + static_cast<int>(j), block);
  if (used == 2 && places.top <= 5) {
    const TwoDigitRounding rounded(places.low);
    for (int64_t i = 0; i < n; ++i)
      out[i] = rounded(rows[1][i], rows[0][i]);
    return;
  }
  std::array<int64_t, kAllDigits> digits{};
  for (int64_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < used; ++j)
      digits[j] = rows[j][i];
    out[i] = nearest_float(std::span(digits).first(used), places.low);
  }
}

void ExactSum::round_to(const ops::Context& context, float* out) const {
  const ops::ProfileScope scope(context.profile, "exact sum of gradients");
  ops::for_each_chunk(context, count_, [&](int64_t begin, int64_t n) {
    for (int64_t i = 0; i < n; i += kBlock)
      round_block((begin + i) / kBlock, std::min(kBlock, n - i), out + begin + i);
  });
}

}  // namespace cllm::optim
