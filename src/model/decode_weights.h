// A model's weights as generation reads them: every matrix, embeddings and head included, as fp32,
// bf16, or int8 with one scale per row; norms and biases stay fp32. Fewer bytes per weight are more
// tokens per second, since each token reads all of them. The table of a lattice embedding is always
// its integers, which lose nothing.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/fields.h"
#include "model/transformer.h"
#include "ops/decode.h"
#include "tensor/arena.h"

namespace cllm {

inline constexpr EnumName<ops::WeightType> kWeightNames[] = {{ops::WeightType::kFp32, "fp32"},
                                                             {ops::WeightType::kBf16, "bf16"},
                                                             {ops::WeightType::kInt8, "int8"}};

// Thread-safe after construction.
class DecodeWeights {
 public:
  // fp32, read where they lie: `weights`, laid out by model.parameters(), must outlive this and may
  // change between calls, after which refresh() must follow.
  DecodeWeights(const Transformer& model, const float* weights);
  // Converts the matrices once, threaded; what they took of `weights` goes back to the system. fp32
  // keeps them.
  DecodeWeights(const Transformer& model, const ops::Context& context, ops::WeightType type,
                Arena weights);

  // Reads again what is not read where it lies: a lattice.
  void refresh(const ops::Context& context);

  // Bytes of the converted matrices; for fp32 of a lattice only.
  static int64_t plan_bytes(const Transformer& model, ops::WeightType type);

  ops::WeightType type() const { return type_; }
  // The parameter arena, of which only norms and biases are there if the matrices were converted.
  const float* values() const { return values_; }
  // By parameter index; those of norms and biases are empty.
  std::span<const ops::DecodeMatrix> matrices() const { return matrices_; }
  const ops::DecodeMatrix& matrix(const Parameter& parameter) const;

 private:
  ops::DecodeMatrix convert(const ops::Context& context, const Parameter& parameter,
                            ops::WeightType type, float* place) const;

  ops::WeightType type_ = ops::WeightType::kFp32;
  Arena own_, converted_;
  const float* values_ = nullptr;
  const Transformer& model_;
  std::vector<ops::DecodeMatrix> matrices_;
};

}  // namespace cllm
