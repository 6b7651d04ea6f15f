#include "model/gradient_window.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/check.h"

namespace cllm {
namespace {

// The arena's elements from the first parameter whose name starts with `prefix` to the next one
// whose name does not. CHECKs that they are together.
ParameterRange range_of(const ParameterTable& table, const std::string& prefix) {
  ParameterRange range{-1, -1};
  for (const Parameter& parameter : table.all()) {
    const bool inside = parameter.name.starts_with(prefix);
    CHECK_MSG(!inside || range.end < 0, "{} is apart from its block", parameter.name);
    if (inside && range.begin < 0) range.begin = parameter.offset;
    if (!inside && range.begin >= 0 && range.end < 0) range.end = parameter.offset;
  }
  if (range.end < 0) range.end = table.arena_floats();
  CHECK_MSG(range.begin >= 0, "prefix={}", prefix);
  return range;
}

}  // namespace

GradientWindow::GradientWindow(const Transformer& model)
    : arena_floats_(model.parameters().arena_floats()) {
  for (size_t layer = 0; layer < model.blocks().size(); ++layer) {
    blocks_.push_back(range_of(model.parameters(), fmt::format("blocks.{}.", layer)));
    CHECK(layer == 0 || blocks_[layer].begin == blocks_[layer - 1].end);
    largest_block_ = std::max(largest_block_, blocks_.back().count());
  }
  first_block_ = blocks_.front().begin;
  last_block_ = blocks_.back().end;
}

std::vector<ParameterRange> GradientWindow::ranges() const {
  std::vector<ParameterRange> all = {front()};
  all.insert(all.end(), blocks_.begin(), blocks_.end());
  all.push_back(back());
  return all;
}

float* GradientWindow::at(ParameterRange range, float* window) const {
  if (range.begin < first_block_) return window;
  if (range.begin >= last_block_) return window + front().count();
  const auto block = std::ranges::find(blocks_, range.begin, &ParameterRange::begin);
  CHECK_MSG(block != blocks_.end(), "begin={}", range.begin);
  return window + front().count() + back().count() + (block - blocks_.begin()) % 2 * largest_block_;
}

float* GradientWindow::base(ParameterRange range, float* window) const {
  // Counted as a number, since a pointer may not leave its array.
  const auto place = reinterpret_cast<uintptr_t>(at(range, window));
  return reinterpret_cast<float*>(place - static_cast<uintptr_t>(range.begin) * sizeof(float));
}

}  // namespace cllm
