#include "crystal/absorbed_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string_view>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

// What a parameter is to the stream.
enum class Role {
  kTable,   // rows are added to the stream
  kWriter,  // outputs are added to the stream, one row per coordinate
  kWriterBias,
  kReader,  // multiplies a norm's output, one column per coordinate
  kHead,    // a reader too
  kGain,    // of a norm of the stream
  kNormBias,
  kOutside,  // never meets a coordinate of the stream
};

struct NamedRole {
  std::string_view name;  // at the end of a parameter's
  Role role;
};

constexpr NamedRole kRoles[] = {
    {"embedding.token", Role::kTable},
    {"embedding.position", Role::kTable},
    {".attention_norm.gain", Role::kGain},
    {".attention_norm.bias", Role::kNormBias},
    {".mlp_norm.gain", Role::kGain},
    {".mlp_norm.bias", Role::kNormBias},
    {"final_norm.gain", Role::kGain},
    {"final_norm.bias", Role::kNormBias},
    {".attention.qkv.weight", Role::kReader},
    {".attention.qkv.bias", Role::kOutside},
    {".attention.q_norm.gain", Role::kOutside},
    {".attention.k_norm.gain", Role::kOutside},
    {".attention.output.weight", Role::kWriter},
    {".attention.output.bias", Role::kWriterBias},
    {".mlp.up.weight", Role::kReader},
    {".mlp.up.bias", Role::kOutside},
    {".mlp.down.weight", Role::kWriter},
    {".mlp.down.bias", Role::kWriterBias},
    {"head.weight", Role::kHead},
};

[[noreturn]] void refuse(const Parameter& parameter) {
  throw Error(ErrorKind::kUsage, "model",
              fmt::format("it is not known how {} changes with the width", parameter.name),
              "train a model of the wanted width instead");
}

Role role_of(const Parameter& parameter) {
  if (parameter.name.starts_with("embedding.ngram.")) return Role::kTable;
  for (const NamedRole& known : kRoles)
    if (parameter.name.ends_with(known.name)) return known.role;
  refuse(parameter);
}

// Refuses parameters that are not what their names say elsewhere.
void check_role(const Parameter& parameter, int64_t C) {
  const Role role = role_of(parameter);
  const bool columns = role == Role::kTable || role == Role::kReader || role == Role::kHead;
  if (role != Role::kOutside && (columns ? parameter.shape.back() : parameter.shape.front()) != C)
    refuse(parameter);
}

void take_mean(double* values, int64_t count, int64_t stride) {
  double mean = 0;
  for (int64_t i = 0; i < count; ++i)
    mean += values[i * stride] / static_cast<double>(count);
  for (int64_t i = 0; i < count; ++i)
    values[i * stride] -= mean;
}

// product [W] = row [C] R.
void row_times_basis(const double* row, const StreamBasis& basis, double* product) {
  const size_t C = basis.from, W = basis.to;
  std::fill_n(product, W, 0.0);
  for (size_t c = 0; c < C; ++c)
    for (size_t w = 0; w < W; ++w)
      product[w] += row[c] * basis.columns[c * W + w];
}

// The same for a row of the head behind a LayerNorm: its sum, the absorbed bias, stays what it is,
// and the rest of it has no mean. row is overwritten.
void head_row_times_basis(double* row, const StreamBasis& basis, double* product) {
  const size_t C = basis.from, W = basis.to;
  const double sum = std::accumulate(row, row + C, 0.0);
  take_mean(row, static_cast<int64_t>(C), 1);
  row_times_basis(row, basis, product);
  take_mean(product, static_cast<int64_t>(W), 1);
  for (size_t w = 0; w < W; ++w)
    product[w] += sum / static_cast<double>(W);
}

// out [rows, W] = scale * in [rows, C] R; keep_sums: as the head's.
void times_basis(const double* in, int64_t rows, const StreamBasis& basis, double scale,
                 bool keep_sums, float* out, ThreadPool& pool) {
  const size_t C = basis.from, W = basis.to;
  std::vector<double> work(static_cast<size_t>(pool.size()) * (C + W));
  pool.parallel_for(rows, [&](int64_t row, int worker) {
    double* const from = work.data() + static_cast<size_t>(worker) * (C + W);
    double* const product = from + C;
    std::copy_n(in + static_cast<size_t>(row) * C, C, from);
    if (keep_sums)
      head_row_times_basis(from, basis, product);
    else
      row_times_basis(from, basis, product);
    for (size_t w = 0; w < W; ++w)
      out[static_cast<size_t>(row) * W + w] = static_cast<float>(scale * product[w]);
  });
}

// out [W, columns] = scale * R^T in [C, columns].
void basis_times(const double* in, int64_t columns, const StreamBasis& basis, double scale,
                 float* out, ThreadPool& pool) {
  const size_t C = basis.from, W = basis.to, n = static_cast<size_t>(columns);
  std::vector<double> work(static_cast<size_t>(pool.size()) * n);
  pool.parallel_for(static_cast<int64_t>(W), [&](int64_t task, int worker) {
    const auto w = static_cast<size_t>(task);
    double* const product = work.data() + static_cast<size_t>(worker) * n;
    std::fill_n(product, n, 0.0);
    for (size_t c = 0; c < C; ++c)
      for (size_t i = 0; i < n; ++i)
        product[i] += basis.columns[c * W + w] * in[c * n + i];
    for (size_t i = 0; i < n; ++i)
      out[w * n + i] = static_cast<float>(scale * product[i]);
  });
}

}  // namespace

ModelConfig resized_config(const ModelConfig& config, int64_t width) {
  if (config.embedding != nn::EmbeddingKind::kDense)
    throw Error(ErrorKind::kUsage, "model.embedding",
                "only the rows of a dense embedding can be turned with the stream",
                "train a model of the wanted width instead");
  ModelConfig resized = config;
  resized.head_size = config.head_width();
  resized.mlp_width = config.mlp_hidden();
  resized.width = width;
  resized.tied_head = false;
  return resized;
}

AbsorbedModel::AbsorbedModel(const Transformer& model, const float* weights, ThreadPool& pool)
    : model_(std::make_unique<const Transformer>(
          resized_config(model.config(), model.config().width), nullptr, model.shared_prior())),
      pool_(pool),
      values_(static_cast<size_t>(model_->parameters().arena_floats())) {
  for (const Parameter& parameter : model.parameters().all())
    check_role(parameter, model.config().width);
  for (const Parameter& parameter : model_->parameters().all()) {
    // A tied head is the token table.
    const Parameter* from = role_of(parameter) == Role::kHead
                                ? &model.parameters().at(model.head().linear().weight_parameter())
                                : model.parameters().find(parameter.name);
    CHECK(from != nullptr && from->count == parameter.count);
    std::copy_n(weights + from->offset, from->count, values_.begin() + parameter.offset);
  }
  if (centred()) centre_stream();
  for (int64_t layer = 0; layer < model.config().layers; ++layer) {
    absorb(fmt::format("blocks.{}.attention_norm", layer),
           fmt::format("blocks.{}.attention.qkv", layer));
    absorb(fmt::format("blocks.{}.mlp_norm", layer), fmt::format("blocks.{}.mlp.up", layer));
  }
  absorb("final_norm", "head");
}

double* AbsorbedModel::at(const std::string& name) {
  const Parameter* parameter = model_->parameters().find(name);
  return parameter == nullptr ? nullptr : values_.data() + parameter->offset;
}

void AbsorbedModel::centre_stream() {
  const int64_t C = model_->config().width;
  for (const Parameter& parameter : model_->parameters().all()) {
    double* const values = values_.data() + parameter.offset;
    const Role role = role_of(parameter);
    const int64_t others = parameter.count / C;  // rows of a table, columns of a writer
    if (role == Role::kTable)
      for (int64_t row = 0; row < others; ++row)
        take_mean(values + row * C, C, 1);
    if (role == Role::kWriter || role == Role::kWriterBias)
      for (int64_t column = 0; column < others; ++column)
        take_mean(values + column, C, others);
  }
}

void AbsorbedModel::absorb(const std::string& norm, const std::string& linear) {
  const auto C = static_cast<size_t>(model_->config().width);
  double* const gain = at(norm + ".gain");
  double* const shift = at(norm + ".bias");
  double* const weight = at(linear + ".weight");
  double* const bias = at(linear + ".bias");
  const Parameter& parameter = *model_->parameters().find(linear + ".weight");
  sites_.push_back({norm, static_cast<int32_t>(&parameter - model_->parameters().all().data())});
  std::vector<double> shifts(static_cast<size_t>(parameter.shape[0]));
  for (size_t row = 0; row < shifts.size(); ++row)
    for (size_t c = 0; c < C; ++c) {
      double& entry = weight[row * C + c];
      if (shift != nullptr) shifts[row] += entry * shift[c];
      entry *= gain[c];
    }
  std::fill_n(gain, C, 1.0);
  if (linear == "head" && centred()) absorb_head_bias(shifts);
  if (shift == nullptr) return;
  // A linear behind a norm with a bias has one itself, but for the head.
  std::fill_n(shift, C, linear == "head" ? 1.0 : 0.0);
  for (size_t row = 0; bias != nullptr && row < shifts.size(); ++row)
    bias[row] += shifts[row];
}

void AbsorbedModel::absorb_head_bias(std::span<const double> bias) {
  const int64_t C = model_->config().width;
  double* const weight = at("head.weight");
  for (size_t row = 0; row < bias.size(); ++row) {
    double* const values = weight + static_cast<int64_t>(row) * C;
    take_mean(values, C, 1);
    for (int64_t c = 0; c < C; ++c)
      values[c] += bias[row] / static_cast<double>(C);
  }
}

Arena AbsorbedModel::weights() const {
  Arena weights(model_->parameters().arena_floats(), "the absorbed weights");
  std::ranges::transform(values_, weights.data(),
                         [](double value) { return static_cast<float>(value); });
  return weights;
}

void AbsorbedModel::place(const Parameter& from, const StreamBasis& basis, double scale,
                          float* out) const {
  const double* const in = values_.data() + from.offset;
  const int64_t rows = from.shape[0];
  switch (const Role role = role_of(from)) {
    case Role::kTable:
      return times_basis(in, rows, basis, scale, false, out, pool_);
    case Role::kReader:
    case Role::kHead:
      return times_basis(in, rows, basis, 1, role == Role::kHead && centred(), out, pool_);
    case Role::kWriter:
    case Role::kWriterBias:
      return basis_times(in, from.count / rows, basis, scale, out, pool_);
    case Role::kGain:
    case Role::kNormBias:  // all alike
      std::fill_n(out, basis.to, static_cast<float>(in[0]));
      return;
    case Role::kOutside:
      std::transform(in, in + from.count, out, [](double x) { return static_cast<float>(x); });
  }
}

ResizedModel AbsorbedModel::resized(const StreamBasis& basis, std::span<const double> kept) const {
  const auto C = static_cast<double>(basis.from), W = static_cast<double>(basis.to);
  CHECK(static_cast<int64_t>(basis.from) == model_->config().width && kept.size() == sites_.size());
  const double mean =
      std::accumulate(kept.begin(), kept.end(), 0.0) / static_cast<double>(kept.size());
  const double scale = mean > 0 ? std::sqrt(W / (C * mean)) : 1;
  ResizedModel result;
  result.model = std::make_unique<const Transformer>(
      resized_config(model_->config(), static_cast<int64_t>(basis.to)), nullptr,
      model_->shared_prior());
  const ParameterTable& table = result.model->parameters();
  result.weights = Arena(table.arena_floats(), "the resized weights");
  for (size_t i = 0; i < table.all().size(); ++i) {
    const Parameter& from = model_->parameters().all()[i];
    CHECK(from.name == table.all()[i].name);
    place(from, basis, scale, result.weights.data() + table.all()[i].offset);
  }
  for (size_t site = 0; site < sites_.size(); ++site) {
    const Parameter& gain = *table.find(sites_[site].norm + ".gain");
    std::fill_n(result.weights.data() + gain.offset, gain.count,
                static_cast<float>(std::sqrt(kept[site] * C / W)));
  }
  return result;
}

}  // namespace cllm
