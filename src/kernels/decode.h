// Kernels of generation: few rows of fp32 activations times a matrix whose rows [out, in] are
// stored as fp32, bf16, or int8 with one fp32 scale per row. Such products are bound by reading the
// weights, so a kernel reads each once for all rows of activations and computes in fp32.
#pragma once

#include <cstdint>

#include "kernels/gemm.h"

namespace cllm::kernels {

// How the weights of a matrix are stored. kInt8: weight = scale of its row * integer in
// [-127, 127].
enum class WeightType : uint8_t { kFp32, kBf16, kInt8 };

constexpr int64_t weight_bytes(WeightType type) {
  return type == WeightType::kFp32 ? 4 : type == WeightType::kBf16 ? 2 : 1;
}

// sum(r, j) = scale[j] * sum over p < k of a[r * a_row + p] * b[j * b_row + p]. The bits of an
// element do not depend on the other rows and columns: it is summed in interleaved parts, one per
// lane of the table's vectors.
struct DecodeDots {
  int64_t rows = 0;     // 1..DecodeKernels::kRows
  int64_t columns = 0;  // 1..DecodeKernels::kColumns
  int64_t k = 0;
  const float* a = nullptr;
  int64_t a_row = 0;
  const void* b = nullptr;
  int64_t b_row = 0;              // elements
  const int32_t* pick = nullptr;  // [columns]: row pick[j] of b in place of row j; null: in order
  const float* scale = nullptr;   // [columns] of int8; else ignored
  float* sums = nullptr;  // where they stop: kSums floats, of which [rows][kColumns] hold them and
                          // the rest is overwritten; null: they go into result
  GemmResult result;
};

struct DecodeWeightKernels {
  void (*dots)(const DecodeDots& call);
  // y[i] = scale * b[i], i < n; += if add. Types without a scale want 1.
  void (*expand)(int64_t n, const void* b, float scale, bool add, float* y);
};

struct DecodeKernels {
  static constexpr int64_t kRows = 16;
  static constexpr int64_t kColumns = 16;
  static constexpr int64_t kSums = kRows * kColumns;

  DecodeWeightKernels fp32, bf16, int8;

  constexpr const DecodeWeightKernels& of(WeightType type) const {
    return type == WeightType::kFp32 ? fp32 : type == WeightType::kBf16 ? bf16 : int8;
  }
};

}  // namespace cllm::kernels
