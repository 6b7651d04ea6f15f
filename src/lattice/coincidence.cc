#include "lattice/coincidence.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "lattice/enumerate.h"
#include "lattice/reduce.h"

namespace cllm::lattice {
namespace {

mpz_class from_word(uint64_t word) {
  mpz_class value;
  mpz_import(value.get_mpz_t(), 1, 1, sizeof word, 0, 0, &word);
  return value;
}

void check_arguments(std::span<const uint64_t> moduli, const mpq_class& tolerance,
                     const mpz_class& limit) {
  if (moduli.empty() || moduli.size() > kMostClocks)
    throw Error(ErrorKind::kUsage, "clocks",
                fmt::format("{} clocks are not between 1 and {}", moduli.size(), kMostClocks),
                "leave some out");
  if (std::ranges::find(moduli, uint64_t{0}) != moduli.end())
    throw Error(ErrorKind::kUsage, "clocks", "a clock has no positions", "give at least one");
  if (tolerance < 0 || tolerance >= mpq_class(1, 2))
    throw Error(ErrorKind::kUsage, "tolerance", "is not between 0 and 1/2 turns",
                "give a fraction of a turn such as 1/100");
  if (limit < 1) throw Error(ErrorKind::kUsage, "limit", "is below 1", "give a larger shift");
}

// The shifts as a lattice: (weight * shift, hand positions), in units in which a turn is the common
// multiple of the moduli, so that everything is an integer.
class Clocks {
 public:
  Clocks(std::span<const uint64_t> moduli, const mpq_class& tolerance) {
    for (const uint64_t modulus : moduli)
      turn_ = lcm(turn_, from_word(modulus));
    for (const uint64_t modulus : moduli)
      steps_.push_back(turn_ / from_word(modulus));
    slack_ = tolerance.get_num() * turn_ / tolerance.get_den();
  }

  const mpz_class& turn() const { return turn_; }
  bool is_exact() const { return slack_ == 0; }

  // The smallest coinciding shift up to `most`.
  std::optional<mpz_class> search(const mpz_class& most, const SearchWatch& watch) const {
    mpz_class weight = slack_ / most;
    if (weight == 0) weight = 1;
    const IntegerMatrix basis = reduce(lattice(weight)).basis;
    // Every shift that is wanted has squared length at most this.
    const mpz_class reach = weight * most;
    const mpz_class bound =
        static_cast<unsigned long>(steps_.size()) * slack_ * slack_ + reach * reach;
    const long shift = static_cast<long>(log2_of(bound));
    const RealGramSchmidt gram_schmidt = rounded(ExactGramSchmidt(basis), shift);
    std::optional<mpz_class> best;
    const auto visit = [&](std::span<const double> coefficients, double) {
      IntegerVector integers(coefficients.begin(), coefficients.end());
      const IntegerVector vector = combination(integers, basis);
      const mpz_class candidate = abs(vector[0]) / weight;
      if (candidate >= 1 && candidate <= most && (!best || candidate < *best) && coincide(vector))
        best = candidate;
      return scaled_double(bound, shift);
    };
    enumerate({.gram_schmidt = gram_schmidt, .target = {}, .bound = scaled_double(bound, shift)},
              visit, watch);
    return best;
  }

 private:
  IntegerMatrix lattice(const mpz_class& weight) const {
    IntegerMatrix basis(steps_.size() + 1, steps_.size() + 1);
    basis(0, 0) = weight;
    for (size_t k = 0; k < steps_.size(); ++k) {
      basis(0, k + 1) = steps_[k];
      basis(k + 1, k + 1) = turn_;
    }
    return basis;
  }

  bool coincide(const IntegerVector& vector) const {
    return std::all_of(vector.begin() + 1, vector.end(),
                       [&](const mpz_class& hand) { return abs(hand) <= slack_; });
  }

  mpz_class turn_ = 1, slack_;  // slack: the tolerance in whole units
  std::vector<mpz_class> steps_;
};

}  // namespace

std::optional<mpz_class> smallest_coincidence(std::span<const uint64_t> moduli,
                                              const mpq_class& tolerance, const mpz_class& limit,
                                              const SearchWatch& watch) {
  check_arguments(moduli, tolerance, limit);
  const Clocks clocks(moduli, tolerance);
  // After the common multiple all clocks agree exactly.
  const mpz_class last = std::min(limit, clocks.turn());
  if (clocks.is_exact())
    return clocks.turn() <= limit ? std::optional(clocks.turn()) : std::nullopt;
  for (mpz_class most = 16;; most *= 4) {
    most = std::min(most, last);
    if (const auto shift = clocks.search(most, watch)) return shift;
    if (most == last) return std::nullopt;
  }
}

}  // namespace cllm::lattice
