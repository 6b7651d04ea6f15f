// The staircase: from the pipeline of the two trainers that started this project, as their own
// documents describe it, to this program, one idea at a time. Here: what is added when, what was
// claimed for it, and the shapes on which it is measured.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace cllm::bench {

enum class StairThreads {
  kOne,
  kShards,      // each thread trains its sequences with gradients of its own, summed in order
  kOperations,  // all threads share every operation
};

// What a stair uses. The first one uses nothing.
struct Features {
  bool reused_buffers = false;  // else every pass allocates and frees
  bool gathered = false;        // embedding of the whole batch at once, else token by token
  bool simd = false;            // kernels of the fastest table, else scalar loops
  bool batched = false;         // all rows of a batch at once, else sequence by sequence
  bool packed = false;          // ops::gemm
  bool fused = false;           // bias, GELU, residual in the product's store; softmax with loss
  bool engine = false;          // this program's own Trainer, which implies all above
  bool bf16 = false;            // needs engine
  int64_t accumulation = 1;     // batches of which the effective batch is made
  StairThreads threads = StairThreads::kOne;
};

struct Stair {
  std::string_view name;   // "SIMD dot products"
  std::string_view claim;  // "4-8x (6, 28, 41, 88)": rows of docs/origins.md; "" if there is none
  Features features;
};

// Cumulative, in the order in which they are climbed.
const std::vector<Stair>& stairs();

struct StairShape {
  std::string name;
  std::string description;
  ModelConfig model;
  int64_t batch = 0;        // B; T is model.context_length
  int64_t check_batch = 0;  // sequences with which all stairs are compared
};

// "c-128", "cpp-384-4", "cpp-384-6", "baby".
std::vector<StairShape> stair_shapes();

}  // namespace cllm::bench
