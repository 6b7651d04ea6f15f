#include "model/decode_weights.h"

#include <utility>

#include "ops/lattice_table.h"

namespace cllm {
namespace {

// Floats that `bytes` take with the next thing on a cache line of its own.
int64_t padded_floats(int64_t bytes) {
  return (bytes + 63) / 64 * 16;
}

bool is_lattice(const Transformer& model, const Parameter& parameter) {
  return model.config().embedding == nn::EmbeddingKind::kLattice &&
         &parameter == &model.token_table();
}

// How a parameter is stored; fp32 stays where it lies.
ops::WeightType stored_type(const Transformer& model, const Parameter& parameter,
                            ops::WeightType type) {
  if (!parameter.is_matrix()) return ops::WeightType::kFp32;
  return is_lattice(model, parameter) ? ops::WeightType::kInt8 : type;
}

int64_t data_floats(const Parameter& parameter, ops::WeightType type) {
  return padded_floats(parameter.count * kernels::weight_bytes(type));
}

int64_t scale_floats(const Parameter& parameter, ops::WeightType type) {
  return type == ops::WeightType::kInt8 ? padded_floats(4 * parameter.shape[0]) : 0;
}

int64_t converted_floats(const Transformer& model, ops::WeightType type) {
  int64_t floats = 0;
  for (const Parameter& parameter : model.parameters().all())
    if (const auto stored = stored_type(model, parameter, type); stored != ops::WeightType::kFp32)
      floats += data_floats(parameter, stored) + scale_floats(parameter, stored);
  return floats;
}

}  // namespace

DecodeWeights::DecodeWeights(const Transformer& model, const float* weights)
    : converted_(converted_floats(model, ops::WeightType::kFp32), "the rounded table"),
      values_(weights),
      model_(model) {
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
  if (type == ops::WeightType::kFp32) {
    refresh(context);
    return;
  }
  converted_ = Arena(converted_floats(model, type), "the converted weights");
  float* next = converted_.data();
  for (size_t index = 0; index < matrices_.size(); ++index) {
    const Parameter& parameter = model.parameters().all()[index];
    if (!parameter.is_matrix()) continue;
    const ops::WeightType stored = stored_type(model, parameter, type);
    matrices_[index] = convert(context, parameter, stored, next);
    next += data_floats(parameter, stored) + scale_floats(parameter, stored);
    own_.give_back(parameter.offset, parameter.count);
  }
}

ops::DecodeMatrix DecodeWeights::convert(const ops::Context& context, const Parameter& parameter,
                                         ops::WeightType type, float* place) const {
  const int64_t out = parameter.shape[0], in = parameter.count / out;
  const float* values = values_ + parameter.offset;
  float* scale = place + data_floats(parameter, type);
  if (is_lattice(model_, parameter))
    return ops::store_lattice(context, out, in, static_cast<float>(model_.config().lattice_step()),
                              values, reinterpret_cast<int8_t*>(place), scale);
  return ops::store_matrix(context, type, out, in, values, place, scale);
}

void DecodeWeights::refresh(const ops::Context& context) {
  if (type_ != ops::WeightType::kFp32 || converted_.floats() == 0) return;
  const Parameter& table = model_.token_table();
  matrices_[static_cast<size_t>(&table - model_.parameters().all().data())] =
      convert(context, table, ops::WeightType::kInt8, converted_.data());
}

int64_t DecodeWeights::plan_bytes(const Transformer& model, ops::WeightType type) {
  return converted_floats(model, type) * static_cast<int64_t>(sizeof(float));
}

const ops::DecodeMatrix& DecodeWeights::matrix(const Parameter& parameter) const {
  return matrices_.at(static_cast<size_t>(&parameter - model_.parameters().all().data()));
}

}  // namespace cllm
