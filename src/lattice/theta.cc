#include "lattice/theta.h"

#include "base/error.h"

namespace cllm::lattice {
namespace {

constexpr double kLargestNorm = 1000;

// Walks the vectors of one class coordinate by coordinate within what is left of the squared length
// of the integer vector. A2's second coordinate weighs three times.
class ClassWalk {
 public:
  ClassWalk(Classical lattice, int budget, std::vector<uint64_t>& counts)
      : dimension_(facts(lattice).dimension),
        modulus_(facts(lattice).modulus),
        parity_(facts(lattice).has_parity),
        last_weight_(lattice == Classical::kA2 ? 3 : 1),
        budget_(budget),
        counts_(counts) {}

  void run(const LatticeClass& next) {
    class_ = next;
    int needed = 0;
    for (size_t i = dimension_; i-- > 0;) {
      // The least square of a coordinate with this residue.
      const int low = class_.residue[i], high = low - modulus_;
      needed += weight(i) * std::min(low * low, high * high);
      needed_[i] = needed;
    }
    needed_[dimension_] = 0;
    walk(0, 0, 0);
  }

 private:
  int weight(size_t i) const { return i + 1 == dimension_ ? last_weight_ : 1; }

  void walk(size_t i, int norm, int sum) {
    if (i == dimension_) {
      const int modulus = 2 * modulus_;
      if (!parity_ || (sum - class_.sum) % modulus == 0) ++counts_[static_cast<size_t>(norm)];
      return;
    }
    const int left = budget_ - norm - needed_[i + 1];
    for (int x = class_.residue[i]; weight(i) * x * x <= left; x += modulus_)
      walk(i + 1, norm + weight(i) * x * x, sum + x);
    for (int x = class_.residue[i] - modulus_; weight(i) * x * x <= left; x -= modulus_)
      walk(i + 1, norm + weight(i) * x * x, sum + x);
  }

  const size_t dimension_;
  const int modulus_;
  const bool parity_;
  const int last_weight_, budget_;
  std::vector<uint64_t>& counts_;
  LatticeClass class_;
  std::array<int, kLargestDimension + 1> needed_{};
};

}  // namespace

std::vector<Shell> count_shells(Classical lattice, double most_norm2, const SearchWatch& watch) {
  if (!(most_norm2 >= 0 && most_norm2 <= kLargestNorm))
    throw Error(ErrorKind::kUsage, "norm",
                fmt::format("{} is not between 0 and {}", most_norm2, kLargestNorm),
                "the number of vectors grows with its power dimension / 2");
  const int divisor = norm_divisor(lattice);
  const int budget = static_cast<int>(most_norm2 * divisor);
  std::vector<uint64_t> counts(static_cast<size_t>(budget) + 1);
  ClassWalk walk(lattice, budget, counts);
  const size_t classes = class_count(lattice);
  for (size_t index = 0; index < classes; ++index) {
    if (watch) watch({.phase = "count", .done = index, .total = classes});
    walk.run(lattice_class(lattice, index));
  }
  std::vector<Shell> shells;
  for (size_t norm = 0; norm < counts.size(); ++norm)
    if (counts[norm] > 0) shells.push_back({static_cast<double>(norm) / divisor, counts[norm]});
  return shells;
}

}  // namespace cllm::lattice
