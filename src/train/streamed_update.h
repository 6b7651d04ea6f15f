// The optimizer beside the backward pass: as soon as the gradients of a block are complete, its
// update waits as small tasks for threads that have nothing to do while the next blocks' gradients
// are computed. Each task takes a chunk of gradients through norm, update and clearing while it is
// in the cache.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/gradient_window.h"
#include "ops/context.h"
#include "optim/optimizer.h"
#include "train/weight_updater.h"

namespace cllm {

// Not thread-safe; nothing else may post to the context's pool. References must outlive it. No
// allocation after construction.
class StreamedUpdate {
 public:
  // gradients: window.floats(), all zero. Of Muon's matrices, whose updates are products that need
  // all threads, nothing is left for later.
  StreamedUpdate(const ops::Context& context, const GradientWindow& window, WeightUpdater& updater,
                 float* gradients, float* weights);
  ~StreamedUpdate() { context_.pool.finish_posted(); }
  StreamedUpdate(const StreamedUpdate&) = delete;
  StreamedUpdate& operator=(const StreamedUpdate&) = delete;

  void begin(const UpdateStep& step);
  // As GradientStream::finished. Weights and moments of the range = , its gradients become zero,
  // before the next call, or finish(), returns. false: the gradients of broken(), this range or the
  // one before, are not finite; the chunks that are not are left as they are and were not applied.
  [[nodiscard]] bool take(ParameterRange range);
  // Waits for all updates. false as above.
  [[nodiscard]] bool finish();

  ParameterRange broken() const { return range_; }
  // Of all gradients since begin(), once finish() returned true.
  double norm() const { return norm_; }

 private:
  struct Chunks {
    StreamedUpdate* owner;
    void operator()(int64_t chunk) const { owner->update_chunk(chunk); }
  };
  bool settle();
  bool update_at_once();
  void update_chunk(int64_t chunk);

  const ops::Context& context_;
  const GradientWindow& window_;
  WeightUpdater& updater_;
  float* gradients_;
  float* weights_;
  std::vector<double> partials_;
  Chunks chunks_{this};

  UpdateStep step_;
  double norm_ = 0;
  ParameterRange range_;  // whose update is under way
  optim::UpdateArenas arenas_;
  std::optional<optim::ElementwiseUpdate> update_;
};

}  // namespace cllm
