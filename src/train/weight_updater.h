// How the weights of a run follow their gradients: the optimizer of the settings on every
// parameter, with its moments and scratch, for the whole arena or for a range of it whose gradients
// are ready.
#pragma once

#include <cstdint>
#include <vector>

#include "model/gradient_window.h"
#include "optim/muon.h"
#include "optim/optimizer.h"
#include "tensor/arena.h"
#include "train/checkpoint.h"
#include "train/settings.h"

namespace cllm {

// Which parameters are updated in which way, and where their second moments lie. From shapes alone.
struct UpdatePlan {
  UpdatePlan(const Transformer& model, const RunSettings& settings, const ops::Context& context);

  std::vector<optim::ParameterSpan> spans;  // AdamW or SGD; none crosses the border of a block
  std::vector<optim::MuonMatrix> matrices;  // Muon
  // Second moments of the spans only, one after the other, in the order of the table; -1 = none.
  std::vector<int64_t> second_offsets;
  int64_t first_floats = 0, second_floats = 0;
  int64_t scratch_floats = 0;

 private:
  void add_span(const Parameter& parameter, double rate, bool begins_range);
};

// What an update needs besides gradients.
struct UpdateStep {
  int64_t update = 1;        // counts from 1; skipped steps are left out
  double learning_rate = 0;  // of the schedule
  float gradient_scale = 1;  // each gradient is first multiplied by it
};

// Not thread-safe. References must outlive it. Error (kMemory). No allocation after construction.
class WeightUpdater {
 public:
  WeightUpdater(const Transformer& model, const ops::Context& context, const RunSettings& settings);

  // weights and moments of the parameters inside `range` = . gradients: laid out by the arena, read
  // inside the range only.
  void apply(const UpdateStep& step, ParameterRange range, const float* gradients, float* weights);

  // Whether apply() is elementwise() and nothing else: not with Muon.
  bool is_elementwise() const { return plan_.matrices.empty(); }
  // What AdamW or SGD does to the range. Valid as long as this object.
  optim::ElementwiseUpdate elementwise(const UpdateStep& step, ParameterRange range) const;
  // gradients, weights: laid out by the arena.
  optim::UpdateArenas arenas(const float* gradients, float* weights) {
    return {gradients, weights, first_moment_.data(), second_moment_.data()};
  }

  // The optimizer's arenas, for checkpoints.
  std::vector<NamedArena> moments();
  int64_t moment_bytes() const { return first_moment_.bytes() + second_moment_.bytes(); }
  int64_t scratch_bytes() const { return scratch_.bytes(); }

 private:
  const ops::Context& context_;
  const optim::MuonThreads muon_threads_;
  const OptimizerSettings& options_;
  UpdatePlan plan_;
  Arena first_moment_, second_moment_, scratch_;
};

}  // namespace cllm
