// The operands of one matrix product in fp32 and bf16, and the proof that a result is right.
#pragma once

#include <cstdint>
#include <string>

#include "bench/gemm_shapes.h"
#include "ops/context.h"
#include "tensor/arena.h"

namespace cllm::bench {

// bf16 numbers in an arena of floats.
class Bf16Matrix {
 public:
  explicit Bf16Matrix(int64_t count) : memory_((count + 1) / 2, "matrix product") {}
  uint16_t* data() { return reinterpret_cast<uint16_t*>(memory_.data()); }
  const uint16_t* data() const { return reinterpret_cast<const uint16_t*>(memory_.data()); }

 private:
  Arena memory_;
};

// Owns its matrices: A [m, k] and B [k, n], stored transposed where the shape says so, uniform in
// (-1, 1) and exact in bf16, so that both precisions multiply the same numbers; C zero. Error
// (kMemory).
struct GemmProblem {
  GemmProblem(const ops::Context& context, const GemmShape& wanted);

  GemmShape shape;
  Arena a, b, c;
  Bf16Matrix a16, b16, c16;

  // C = 0 in both precisions.
  void clear(const ops::Context& context);
  // Whether C (or the bf16 C) holds the product, by a few hundred of its elements in double. ""
  // if it does, else the first that is wrong.
  std::string wrong_element(bool result_in_bf16) const;
};

// Round to nearest, ties to even; the value must be finite.
uint16_t to_bf16(float value);
float from_bf16(uint16_t bits);

}  // namespace cllm::bench
