#include "lattice/enumerate.h"

#include <algorithm>
#include <cmath>

namespace cllm::lattice {
namespace {

constexpr uint64_t kNodesPerReport = uint64_t{1} << 22;

class Walk {
 public:
  Walk(const EnumerationTask& task, const LeafVisitor& visit, const SearchWatch& watch)
      : norms_(task.gram_schmidt.norm2),
        visit_(visit),
        watch_(watch),
        size_(norms_.size()),
        stride_(size_ + 1),
        centred_(task.target.empty()),
        partial_(size_ + 1),
        center_(size_),
        value_(size_),
        step_(size_),
        changed_(size_),
        sums_(size_ * stride_),
        columns_(size_ * size_) {
    for (size_t i = 0; i < size_; ++i)
      for (size_t j = 0; j < i; ++j)
        columns_[j * size_ + i] = task.gram_schmidt.mu(i, j);
    for (size_t k = 0; k < size_; ++k)
      for (size_t i = 0; i <= size_; ++i)
        sums_[k * stride_ + i] = centred_ ? 0 : task.target[k];
    set_bound(task.bound);
  }

  uint64_t run() {
    size_t level = size_ - 1;
    std::ranges::fill(changed_, level);
    open(level);
    for (;;) {
      if (++nodes_ % kNodesPerReport == 0) report();
      const double offset = value_[level] - center_[level];
      const double distance = partial_[level + 1] + offset * offset * norms_[level];
      if (distance <= limit_) {
        if (level > 0) {
          partial_[level] = distance;
          open(--level);
          continue;
        }
        leaf(distance);
      } else {
        if (++level == size_) return nodes_;
        changed_[level - 1] = level;
      }
      // A leaf's siblings follow on its own level, a dead end's on the one above.
      advance(level);
    }
  }

 private:
  // The center of a level is target - sum over higher i of value_i mu_i,level. sums[i] holds the
  // part from i upwards; those from changed_[level] downwards are out of date.
  void open(size_t level) {
    const size_t from = changed_[level];
    double* const sums = sums_.data() + level * stride_;
    const double* const column = columns_.data() + level * size_;
    for (size_t i = from; i > level; --i)
      sums[i] = sums[i + 1] - value_[i] * column[i];
    if (level > 0) changed_[level - 1] = std::max(changed_[level - 1], from);
    center_[level] = sums[level + 1];
    value_[level] = std::nearbyint(center_[level]);
    step_[level] = center_[level] >= value_[level] ? 1 : -1;
  }

  // The sibling next nearest to the center. While all coordinates above are zero, the signs of a
  // centred search are equivalent: only positive ones are walked.
  void advance(size_t level) {
    if (centred_ && partial_[level + 1] == 0) {
      value_[level] += 1;
      return;
    }
    value_[level] += step_[level];
    step_[level] = step_[level] > 0 ? -step_[level] - 1 : -step_[level] + 1;
  }

  void leaf(double distance) {
    if (centred_ && distance == 0) return;
    set_bound(visit_(value_, distance));
  }

  void set_bound(double bound) {
    bound_ = bound;
    limit_ = bound * (1 + kEnumerationSlack);
  }

  void report() const {
    if (watch_) watch_({.phase = "search", .done = nodes_, .best = std::sqrt(bound_)});
  }

  const std::vector<double>& norms_;
  const LeafVisitor& visit_;
  const SearchWatch& watch_;
  const size_t size_, stride_;
  const bool centred_;
  double bound_ = 0, limit_ = 0;
  uint64_t nodes_ = 0;
  std::vector<double> partial_, center_, value_, step_;
  std::vector<size_t> changed_;
  std::vector<double> sums_, columns_;
};

}  // namespace

uint64_t enumerate(const EnumerationTask& task, const LeafVisitor& visit,
                   const SearchWatch& watch) {
  if (task.gram_schmidt.norm2.empty()) return 0;
  return Walk(task, visit, watch).run();
}

}  // namespace cllm::lattice
