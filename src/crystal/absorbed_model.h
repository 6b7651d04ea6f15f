// A model whose residual stream can be turned: its norms do nothing but normalise. A rotation of
// the stream commutes with x / |x|, but not with a gain per coordinate, nor with a LayerNorm's
// mean, so (SliceGPT, Ashkboos et al., arXiv 2401.15024)
//   - gains and biases of norms are absorbed into the linears behind them,
//   - before LayerNorms, the mean is taken out of everything that is written to the stream,
//   - a tied head becomes one of its own, since the final gain belongs to the head alone.
// The head has no bias that could take that of a final LayerNorm. But a LayerNorm's output has no
// mean, so the direction of the mean is free: that norm keeps a bias of ones, and the head's rows
// have the absorbed bias as their sum.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "crystal/stream_basis.h"
#include "model/transformer.h"
#include "tensor/arena.h"
#include "threads/pool.h"

namespace cllm {

// A model and its weights, laid out by model->parameters().
struct ResizedModel {
  std::unique_ptr<const Transformer> model;
  Arena weights;
};

// The configuration of a model whose stream alone is `width` wide: heads, their size and the hidden
// layer stay, the head becomes one of its own. Error (kUsage) for an embedding that is not dense.
ModelConfig resized_config(const ModelConfig& config, int64_t width);

// Where a norm reads the stream.
struct StreamSite {
  std::string norm;    // "blocks.0.attention_norm"
  int32_t reader = 0;  // the weight parameter that multiplies its output
};

// Immutable; holds the numbers in doubles. pool must outlive it.
class AbsorbedModel {
 public:
  // Error (kUsage), naming it, for a parameter whose part in the stream is not known here, and as
  // resized_config.
  AbsorbedModel(const Transformer& model, const float* weights, ThreadPool& pool);

  // Computes what the model did, up to rounding; of the same width.
  const Transformer& model() const { return *model_; }
  Arena weights() const;  // rounded to float
  // In the order of the forward.
  const std::vector<StreamSite>& sites() const { return sites_; }
  // Whether its norms take the mean away.
  bool centred() const { return model_->config().norm == nn::NormKind::kLayerNorm; }

  // The model of the stream x R, with kept[i] the share (kept_share) that is left of what site i
  // sees. A norm divides by the mean square of W coordinates instead of C: its gain restores the
  // scale, and the stream's own scale is such that epsilon weighs what it did. If `basis` keeps all
  // of the stream, the result computes what the model did, up to rounding. Some 2 C W operations
  // per number of a table.
  ResizedModel resized(const StreamBasis& basis, std::span<const double> kept) const;

 private:
  double* at(const std::string& name);
  void centre_stream();
  // norm and the linear behind it, both without suffixes.
  void absorb(const std::string& norm, const std::string& linear);
  void absorb_head_bias(std::span<const double> bias);
  // out = the parameter of the resized model that `from` becomes; gains as they are.
  void place(const Parameter& from, const StreamBasis& basis, double scale, float* out) const;

  std::unique_ptr<const Transformer> model_;
  ThreadPool& pool_;
  std::vector<double> values_;  // laid out by model_->parameters()
  std::vector<StreamSite> sites_;
};

}  // namespace cllm
