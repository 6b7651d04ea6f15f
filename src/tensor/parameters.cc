#include "tensor/parameters.h"

#include "base/check.h"
#include "tensor/planner.h"

namespace cllm {

int32_t ParameterTable::add(std::string name, std::vector<int64_t> shape, Initial initial,
                            double deviation) {
  CHECK_MSG(find(name) == nullptr, "{} is declared twice", name);
  int64_t count = 1;
  for (const int64_t extent : shape) {
    CHECK_MSG(extent > 0, "{}", name);
    count *= extent;
  }
  parameters_.push_back(
      {std::move(name), std::move(shape), arena_floats_, count, initial, deviation});
  count_ += count;
  arena_floats_ += (count + Planner::kAlignment - 1) / Planner::kAlignment * Planner::kAlignment;
  return static_cast<int32_t>(parameters_.size()) - 1;
}

const Parameter* ParameterTable::find(const std::string& name) const {
  for (const Parameter& parameter : parameters_)
    if (parameter.name == name) return &parameter;
  return nullptr;
}

}  // namespace cllm
