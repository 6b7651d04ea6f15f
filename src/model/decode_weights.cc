#include "model/decode_weights.h"

#include <utility>

namespace cllm {
namespace {

// Floats that `bytes` take with the next thing on a cache line of its own.
int64_t padded_floats(int64_t bytes) {
  return (bytes + 63) / 64 * 16;
}

int64_t data_floats(const Parameter& parameter, ops::WeightType type) {
  return padded_floats(parameter.count * kernels::weight_bytes(type));
}

int64_t scale_floats(const Parameter& parameter, ops::WeightType type) {
  return type == ops::WeightType::kInt8 ? padded_floats(4 * parameter.shape[0]) : 0;
}

int64_t converted_floats(const Transformer& model, ops::WeightType type) {
  int64_t floats = 0;
  if (type == ops::WeightType::kFp32) return floats;
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.is_matrix())
      floats += data_floats(parameter, type) + scale_floats(parameter, type);
  return floats;
}

}  // namespace

DecodeWeights::DecodeWeights(const Transformer& model, const float* weights)
    : values_(weights), model_(model) {
  for (const Parameter& parameter : model.parameters().all()) {
    ops::DecodeMatrix matrix;
    if (parameter.is_matrix())
      matrix = {.data = weights + parameter.offset,
                .out = parameter.shape[0],
                .in = parameter.count / parameter.shape[0]};
    matrices_.push_back(matrix);
  }
}

DecodeWeights::DecodeWeights(const Transformer& model, const ops::Context& context,
                             ops::WeightType type, Arena weights)
    : DecodeWeights(model, weights.data()) {
  own_ = std::move(weights);
  type_ = type;
  if (type == ops::WeightType::kFp32) return;
  converted_ = Arena(converted_floats(model, type), "the converted weights");
  float* next = converted_.data();
  for (size_t index = 0; index < matrices_.size(); ++index) {
    const Parameter& parameter = model.parameters().all()[index];
    if (!parameter.is_matrix()) continue;
    ops::DecodeMatrix& matrix = matrices_[index];
    float* scale = next + data_floats(parameter, type);
    matrix = ops::store_matrix(context, type, matrix.out, matrix.in, own_.data() + parameter.offset,
                               next, scale);
    next = scale + scale_floats(parameter, type);
    own_.give_back(parameter.offset, parameter.count);
  }
}

int64_t DecodeWeights::plan_bytes(const Transformer& model, ops::WeightType type) {
  return converted_floats(model, type) * static_cast<int64_t>(sizeof(float));
}

const ops::DecodeMatrix& DecodeWeights::matrix(const Parameter& parameter) const {
  return matrices_.at(static_cast<size_t>(&parameter - model_.parameters().all().data()));
}

}  // namespace cllm
