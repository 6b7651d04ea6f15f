#include "number/clocks.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "number/gcd.h"
#include "number/modular.h"

namespace cllm::number {
namespace {

constexpr size_t kMaxClocks = 4096;

void require_sizes(const std::vector<uint64_t>& sizes, const char* what) {
  if (sizes.empty() || sizes.size() > kMaxClocks)
    throw Error(ErrorKind::kUsage, what, fmt::format("{} of them", sizes.size()),
                fmt::format("1 to {}", kMaxClocks));
  for (const uint64_t size : sizes)
    if (size < 2)
      throw Error(ErrorKind::kUsage, what, fmt::format("{} is too small", size), "2 or more");
}

void require_below(std::span<const uint64_t> digits, std::span<const uint64_t> sizes,
                   const char* what) {
  if (digits.size() != sizes.size())
    throw Error(ErrorKind::kUsage, what,
                fmt::format("{} of them for {} clocks", digits.size(), sizes.size()),
                "give one for each");
  for (size_t i = 0; i < digits.size(); ++i)
    if (digits[i] >= sizes[i])
      throw Error(ErrorKind::kUsage, what, fmt::format("{} on a clock of {}", digits[i], sizes[i]),
                  "each must be below the clock's size");
}

// a^-1 mod m for coprime a and m, by the extended Euclidean algorithm.
uint64_t inverse_modulo(uint64_t a, uint64_t m) {
  mpz_class inverse;
  const mpz_class value(a), modulus(m);
  mpz_invert(inverse.get_mpz_t(), value.get_mpz_t(), modulus.get_mpz_t());
  return inverse.get_ui();
}

// The number with these digits, lowest first, by halves, so that long systems stay subquadratic.
mpz_class from_digits(std::span<const uint64_t> digits, std::span<const uint64_t> sizes,
                      mpz_class* product) {
  if (digits.size() == 1) {
    *product = mpz_class(sizes[0]);
    return mpz_class(digits[0]);
  }
  const size_t half = digits.size() / 2;
  mpz_class low_product, high_product;
  const mpz_class low = from_digits(digits.first(half), sizes.first(half), &low_product);
  const mpz_class high = from_digits(digits.subspan(half), sizes.subspan(half), &high_product);
  *product = low_product * high_product;
  return low + low_product * high;
}

mpz_class product_of(std::span<const uint64_t> sizes) {
  mpz_class product;
  from_digits(sizes, sizes, &product);
  return product;
}

}  // namespace

ResidueSystem::ResidueSystem(std::vector<uint64_t> moduli) : moduli_(std::move(moduli)) {
  require_sizes(moduli_, "moduli");
  for (size_t i = 0; i < moduli_.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (euclid_gcd(moduli_[i], moduli_[j]) != 1)
        throw Error(ErrorKind::kUsage, "moduli",
                    fmt::format("{} and {} share a factor", moduli_[j], moduli_[i]),
                    "they must be pairwise coprime");
      inverses_.push_back(inverse_modulo(moduli_[j] % moduli_[i], moduli_[i]));
    }
  range_ = product_of(moduli_);
}

void ResidueSystem::require_residues(std::span<const uint64_t> residues) const {
  require_below(residues, moduli_, "residues");
}

std::vector<uint64_t> ResidueSystem::residues(const mpz_class& n) const {
  std::vector<uint64_t> result;
  for (const uint64_t m : moduli_)
    result.push_back(mpz_fdiv_ui(n.get_mpz_t(), m));
  return result;
}

std::vector<uint64_t> ResidueSystem::mixed_radix(std::span<const uint64_t> residues) const {
  require_residues(residues);
  std::vector<uint64_t> digits;
  for (size_t i = 0; i < moduli_.size(); ++i) {
    const uint64_t m = moduli_[i];
    uint64_t digit = residues[i];
    for (size_t j = 0; j < i; ++j) {
      const uint64_t lower = digits[j] % m;
      const uint64_t rest = digit >= lower ? digit - lower : digit + (m - lower);
      digit = multiply_modulo(rest, inverses_[i * (i - 1) / 2 + j], m);
    }
    digits.push_back(digit);
  }
  return digits;
}

mpz_class ResidueSystem::value(std::span<const uint64_t> residues) const {
  mpz_class product;
  return from_digits(mixed_radix(residues), moduli_, &product);
}

mpz_class ResidueSystem::signed_value(std::span<const uint64_t> residues) const {
  const mpz_class unsigned_value = value(residues);
  // [-M/2, M/2): for an odd M the middle belongs to the positive side.
  return 2 * unsigned_value >= range_ ? mpz_class(unsigned_value - range_) : unsigned_value;
}

std::vector<uint64_t> ResidueSystem::add(std::span<const uint64_t> a,
                                         std::span<const uint64_t> b) const {
  require_residues(a);
  require_residues(b);
  std::vector<uint64_t> sum;
  for (size_t i = 0; i < moduli_.size(); ++i)
    sum.push_back(a[i] >= moduli_[i] - b[i] ? a[i] - (moduli_[i] - b[i]) : a[i] + b[i]);
  return sum;
}

std::vector<uint64_t> ResidueSystem::multiply(std::span<const uint64_t> a,
                                              std::span<const uint64_t> b) const {
  require_residues(a);
  require_residues(b);
  std::vector<uint64_t> product;
  for (size_t i = 0; i < moduli_.size(); ++i)
    product.push_back(multiply_modulo(a[i], b[i], moduli_[i]));
  return product;
}

ClockAbacus::ClockAbacus(std::vector<uint64_t> rings) : rings_(std::move(rings)) {
  require_sizes(rings_, "rings");
  range_ = product_of(rings_);
}

void ClockAbacus::require_digits(std::span<const uint64_t> digits) const {
  require_below(digits, rings_, "digits");
}

std::vector<uint64_t> ClockAbacus::digits(const mpz_class& n) const {
  if (n < 0 || n >= range_)
    throw Error(ErrorKind::kUsage, "clock abacus", "the number does not fit its rings",
                "add a ring, or take the number modulo the range");
  std::vector<uint64_t> result;
  mpz_class rest = n;
  for (const uint64_t ring : rings_)
    result.push_back(mpz_fdiv_q_ui(rest.get_mpz_t(), rest.get_mpz_t(), ring));
  return result;
}

mpz_class ClockAbacus::value(std::span<const uint64_t> digits) const {
  require_digits(digits);
  mpz_class product;
  return from_digits(digits, rings_, &product);
}

bool ClockAbacus::advance(std::span<uint64_t> digits, uint64_t n) const {
  require_digits(digits);
  for (size_t i = 0; i < rings_.size() && n != 0; ++i) {
    const uint128 position = uint128{digits[i]} + n;
    digits[i] = static_cast<uint64_t>(position % rings_[i]);
    n = static_cast<uint64_t>(position / rings_[i]);
  }
  return n != 0;
}

namespace {

// The positions that a clock may be away: the largest d with d <= tolerance * m.
std::vector<uint64_t> allowed_distances(std::span<const uint64_t> moduli,
                                        const mpq_class& tolerance) {
  if (moduli.empty() || tolerance < 0 || tolerance > mpq_class(1, 2))
    throw Error(ErrorKind::kUsage, "clocks", moduli.empty() ? "there are none" : "bad tolerance",
                "give clocks, and a tolerance from 0 to 1/2 turns");
  std::vector<uint64_t> allowed;
  for (const uint64_t m : moduli) {
    if (m == 0) throw Error(ErrorKind::kUsage, "clocks", "one has no positions", "1 or more");
    const mpz_class product = tolerance.get_num() * mpz_class(m);
    allowed.push_back(mpz_class(product / tolerance.get_den()).get_ui());
  }
  return allowed;
}

}  // namespace

bool clocks_coincide(std::span<const uint64_t> moduli, uint64_t shift, const mpq_class& tolerance) {
  const std::vector<uint64_t> allowed = allowed_distances(moduli, tolerance);
  for (size_t i = 0; i < moduli.size(); ++i)
    if (clock_distance(shift, moduli[i]) > allowed[i]) return false;
  return true;
}

std::optional<uint64_t> smallest_coincidence(std::span<const uint64_t> moduli, uint64_t limit,
                                             const mpq_class& tolerance,
                                             const std::function<bool()>& stop) {
  const std::vector<uint64_t> allowed = allowed_distances(moduli, tolerance);
  // Only shifts near multiples of the clock that forbids the most positions in a row are looked at.
  size_t widest = 0;
  for (size_t i = 1; i < moduli.size(); ++i)
    if (moduli[i] - 2 * allowed[i] > moduli[widest] - 2 * allowed[widest]) widest = i;
  const auto agree = [&](uint64_t shift) {
    for (size_t i = 0; i < moduli.size(); ++i)
      if (clock_distance(shift, moduli[i]) > allowed[i]) return false;
    return true;
  };
  const uint64_t m = moduli[widest], reach = allowed[widest];
  uint64_t asked = 0;
  for (uint64_t shift = 1; shift <= limit && shift != 0; ++shift) {
    if (stop && (++asked & 0xfffff) == 0 && stop())
      throw Error(ErrorKind::kRuntime, "clocks", "the search was stopped", "");
    const uint64_t position = shift % m;
    if (position > reach && position < m - reach) {
      const uint64_t skip = m - reach - position;
      if (shift > limit - std::min(limit, skip)) return std::nullopt;
      shift += skip;
    }
    if (agree(shift)) return shift;
  }
  return std::nullopt;
}

}  // namespace cllm::number
