// Loops over memory with the widest vectors of a table, to measure bandwidth: read, copy and triad
// as McCalpin's STREAM defines them.
#pragma once

#include <cstdint>

namespace cllm::kernels {

// Arrays of n floats, n % 64 == 0, 64-byte aligned.
struct StreamLoops {
  // A sum of some of the elements, element 0 among them; all are read.
  float (*read)(int64_t n, const float* x);
  void (*copy)(int64_t n, const float* x, float* y);                            // y = x
  void (*triad)(int64_t n, const float* x, const float* y, float s, float* z);  // z = x + s y
};

// The loops for the table called `isa`, which this machine must support.
const StreamLoops& stream_loops(const char* isa);

}  // namespace cllm::kernels
