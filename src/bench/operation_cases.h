// The operations that `cllm bench ops` times, each with its operands at the shape of a preset.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "bench/presets.h"
#include "ops/context.h"

namespace cllm::bench {

// One operation, ready to run. Owns its operands.
struct OperationCase {
  int64_t elements = 0;  // of its main operand
  int64_t bytes = 0;     // that it must read and write at least, each operand once
  double flops = 0;      // of products; 0 where memory is the limit
  std::function<void()> run;
};

struct Operation {
  std::string name;
  OperationCase (*make)(const ops::Context& context, const BenchPreset& preset,
                        const ModelConfig& config);
};

const std::vector<Operation>& operations();

}  // namespace cllm::bench
