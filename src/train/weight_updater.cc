#include "train/weight_updater.h"

#include <algorithm>
#include <span>

#include "tensor/planner.h"

namespace cllm {
namespace {

using Kind = OptimizerSettings::Kind;

// The elements of a sorted list that begin inside the range.
template <class Piece>
std::span<const Piece> inside(const std::vector<Piece>& pieces, ParameterRange range) {
  const auto before = [](int64_t limit) {
    return [limit](const Piece& piece) { return piece.begin < limit; };
  };
  const auto first = std::partition_point(pieces.begin(), pieces.end(), before(range.begin));
  const auto last = std::partition_point(first, pieces.end(), before(range.end));
  return {first, last};
}

bool is_hidden_matrix(const Parameter& parameter) {
  return parameter.is_matrix() && parameter.name.starts_with("blocks.");
}

double rate_of(const OptimizerSettings& options, const Parameter& parameter) {
  double rate = options.learning_rate;
  if (parameter.name.starts_with("embedding.") && options.embedding_learning_rate != 0)
    rate = options.embedding_learning_rate;
  if (parameter.name.starts_with("head.") && options.head_learning_rate != 0)
    rate = options.head_learning_rate;
  return rate / options.learning_rate;
}

// Rows of the matrices that a weight of a block consists of: q, k and v, or gate and up, are
// projections of their own that share one product.
std::vector<int64_t> rows_of_parts(const ModelConfig& config, const Parameter& parameter) {
  if (parameter.name.ends_with(".attention.qkv.weight")) {
    const int64_t keys = config.kv_head_count() * config.head_width();
    return {config.heads * config.head_width(), keys, keys};
  }
  if (config.mlp == nn::MlpKind::kSwiglu && parameter.name.ends_with(".mlp.up.weight"))
    return {parameter.shape[0] / 2, parameter.shape[0] / 2};
  return {parameter.shape[0]};
}

void add_matrices(const ModelConfig& config, const Parameter& parameter,
                  std::vector<optim::MuonMatrix>& matrices) {
  int64_t begin = parameter.offset;
  for (const int64_t rows : rows_of_parts(config, parameter)) {
    matrices.push_back({begin, rows, parameter.shape[1]});
    begin += rows * parameter.shape[1];
  }
}

int64_t aligned(int64_t floats) {
  return (floats + Planner::kAlignment - 1) / Planner::kAlignment * Planner::kAlignment;
}

}  // namespace

UpdatePlan::UpdatePlan(const Transformer& model, const RunSettings& settings,
                       const ops::Context& context)
    : first_floats(model.parameters().arena_floats()) {
  const Kind kind = settings.optimizer.kind;
  const std::vector<ParameterRange> ranges = GradientWindow(model).ranges();
  for (const Parameter& parameter : model.parameters().all()) {
    const bool orthogonal = kind == Kind::kMuon && is_hidden_matrix(parameter);
    const bool has_second = kind != Kind::kSgd && !orthogonal;
    second_offsets.push_back(has_second ? second_floats : -1);
    if (orthogonal) {
      add_matrices(model.config(), parameter, matrices);
    } else {
      add_span(parameter, rate_of(settings.optimizer, parameter),
               std::ranges::any_of(ranges, [&](const ParameterRange& range) {
                 return range.begin == parameter.offset;
               }));
    }
    if (has_second) second_floats += aligned(parameter.count);
  }
  if (!matrices.empty()) scratch_floats = optim::muon_scratch(context, matrices);
}

// Decay belongs to matrices only. Neighbours that agree share a span, alignment gaps included (they
// are zero and stay zero).
void UpdatePlan::add_span(const Parameter& parameter, double rate, bool begins_range) {
  const int64_t shift = second_offsets.back() < 0 ? 0 : parameter.offset - second_offsets.back();
  const bool joins = !spans.empty() && !begins_range &&
                     spans.back().decays == parameter.is_matrix() && spans.back().rate == rate &&
                     spans.back().second_shift == shift;
  if (!joins) spans.push_back({parameter.offset, 0, parameter.is_matrix(), rate, shift});
  spans.back().count = parameter.offset + parameter.count - spans.back().begin;
}

WeightUpdater::WeightUpdater(const Transformer& model, const ops::Context& context,
                             const RunSettings& settings)
    : context_(context),
      muon_threads_(context),
      options_(settings.optimizer),
      plan_(model, settings, context),
      first_moment_(plan_.first_floats, "the optimizer"),
      second_moment_(plan_.second_floats, "the optimizer"),
      scratch_(plan_.scratch_floats, "the optimizer") {}

optim::ElementwiseUpdate WeightUpdater::elementwise(const UpdateStep& step,
                                                    ParameterRange range) const {
  const auto spans = inside(plan_.spans, range);
  if (options_.kind == Kind::kSgd)
    return {context_.kernels, optim::Sgd{options_.momentum, options_.weight_decay}, spans,
            step.learning_rate, step.gradient_scale};
  const optim::AdamW adamw{options_.beta1, options_.beta2, options_.epsilon, options_.weight_decay};
  return {context_.kernels, adamw, spans, step.update, step.learning_rate, step.gradient_scale};
}

void WeightUpdater::apply(const UpdateStep& step, ParameterRange range, const float* gradients,
                          float* weights) {
  elementwise(step, range).apply_to_all(context_, arenas(gradients, weights));
  if (options_.kind != Kind::kMuon) return;
  const optim::Muon muon{
      optim::muon_momentum(options_.muon_momentum, options_.muon_momentum_warmup, step.update),
      options_.muon_weight_decay, options_.muon_cautious_decay};
  const double share = step.learning_rate / options_.learning_rate;
  optim::muon_step(muon_threads_, muon, inside(plan_.matrices, range),
                   share * options_.muon_learning_rate, step.gradient_scale, gradients, weights,
                   first_moment_.data(), scratch_.data());
}

std::vector<NamedArena> WeightUpdater::moments() {
  std::vector<NamedArena> arenas = {{"first_moment", first_moment_.data(), {}}};
  if (plan_.second_floats > 0)
    arenas.push_back({"second_moment", second_moment_.data(), plan_.second_offsets});
  return arenas;
}

}  // namespace cllm
