#include "tensor/planner.h"

#include <algorithm>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

constexpr int64_t kForever = std::numeric_limits<int64_t>::max();
// 64 TiB: no machine has it, and sums of thousands of such buffers do not overflow.
constexpr int64_t kLargestBuffer = int64_t{1} << 44;

bool alive_together(const Planner::Entry& a, const Planner::Entry& b) {
  return a.first <= b.last && b.first <= a.last;
}

// The lowest offset at which `entry` meets none of `neighbours`, which are sorted by offset.
int64_t lowest_gap(const Planner::Entry& entry,
                   const std::vector<const Planner::Entry*>& neighbours) {
  int64_t candidate = 0;
  for (const Planner::Entry* other : neighbours) {
    if (candidate + entry.floats <= other->offset) break;
    candidate = std::max(candidate, other->offset + other->floats);
  }
  return candidate;
}

}  // namespace

Slot Planner::declare(std::string name, int64_t floats) {
  CHECK_MSG(arena_floats_ < 0 && floats >= 0, "{}: {} floats", name, floats);
  if (floats > kLargestBuffer)
    throw Error(ErrorKind::kMemory, "", fmt::format("{} would need {} floats", name, floats),
                "choose a smaller model, batch or context");
  const int64_t rounded = (floats + kAlignment - 1) / kAlignment * kAlignment;
  entries_.push_back({std::move(name), rounded, now_, now_, -1});
  return Slot{static_cast<int32_t>(entries_.size()) - 1};
}

Slot Planner::declare_permanent(std::string name, int64_t floats) {
  const Slot slot = declare(std::move(name), floats);
  entries_.back().first = 0;
  entries_.back().last = kForever;
  return slot;
}

void Planner::touch(Slot slot) {
  CHECK(arena_floats_ < 0);
  if (!slot.valid()) return;
  Entry& entry = entries_.at(static_cast<size_t>(slot.index));
  entry.last = std::max(entry.last, now_);
}

int64_t Planner::place() {
  CHECK(arena_floats_ < 0);
  std::vector<size_t> order(entries_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [this](size_t a, size_t b) { return entries_[a].floats > entries_[b].floats; });
  arena_floats_ = 0;
  std::vector<const Entry*> placed;
  for (const size_t index : order) {
    Entry& entry = entries_[index];
    std::vector<const Entry*> neighbours;
    for (const Entry* other : placed)
      if (alive_together(entry, *other)) neighbours.push_back(other);
    entry.offset = lowest_gap(entry, neighbours);
    arena_floats_ = std::max(arena_floats_, entry.offset + entry.floats);
    const auto by_offset = [](const Entry* a, const Entry* b) { return a->offset < b->offset; };
    placed.insert(std::upper_bound(placed.begin(), placed.end(), &entry, by_offset), &entry);
  }
  return arena_floats_;
}

int64_t Planner::offset(Slot slot) const {
  CHECK(slot.valid() && arena_floats_ >= 0);
  return entries_[static_cast<size_t>(slot.index)].offset;
}

}  // namespace cllm
