// The parameters of a model: names, shapes and places in one arena of floats. Weights, gradients
// and optimizer moments are arenas of the same layout. A block's parameters are contiguous: one
// reduction, one optimizer span, one checkpoint record.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cllm {

// How a parameter is filled before training.
enum class Initial { kZero, kOne, kNormal };

struct Parameter {
  std::string name;            // "blocks.0.attention.qkv.weight"
  std::vector<int64_t> shape;  // row-major; matrices are [out, in]
  int64_t offset = 0;          // first element in the arena
  int64_t count = 0;           // elements
  Initial initial = Initial::kZero;
  double deviation = 0;  // standard deviation of kNormal
  bool is_matrix() const { return shape.size() >= 2; }
};

class ParameterTable {
 public:
  // Appends a parameter, 64-byte aligned; returns its index.
  int32_t add(std::string name, std::vector<int64_t> shape, Initial initial, double deviation = 0);

  const std::vector<Parameter>& all() const { return parameters_; }
  const Parameter& at(int32_t index) const { return parameters_.at(static_cast<size_t>(index)); }
  // nullptr if there is none of that name.
  const Parameter* find(const std::string& name) const;

  int64_t arena_floats() const { return arena_floats_; }  // with alignment gaps, which stay zero
  int64_t count() const { return count_; }                // trained numbers

 private:
  std::vector<Parameter> parameters_;
  int64_t arena_floats_ = 0;
  int64_t count_ = 0;
};

}  // namespace cllm
