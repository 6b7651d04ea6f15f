// Muon: momentum, orthogonalised, for hidden matrices (Jordan et al., "Muon: an optimizer for
// hidden layers in neural networks", 2024).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ops/context.h"

namespace cllm::optim {

// A matrix [rows, columns] in the arena. Projections that are fused for speed (q, k and v) are
// matrices of their own here.
struct MuonMatrix {
  int64_t begin = 0;  // element offset in the arena
  int64_t rows = 0, columns = 0;
};

struct Muon {
  double momentum = 0.95;
  double weight_decay = 0.1;
  // Decays only where the update, too, moves the weight towards zero (Chen et al., "Cautious weight
  // decay", 2025).
  bool cautious = false;
};

// The momentum of update 1, 2, ...: from min(0.85, peak), linearly, to `peak` at update `warmup`.
double muon_momentum(double peak, int64_t warmup, int64_t update);

// The threads of a context, and each of them by itself: a matrix whose short side is at most
// kSideOfOneThread is one thread's, since the products of its orthogonalisation are too small to be
// shared (with a side of 128 four threads together are a third as fast as apart).
class MuonThreads {
 public:
  static constexpr int64_t kSideOfOneThread = 256;

  explicit MuonThreads(const ops::Context& context);
  const ops::Context& all() const { return all_; }
  const ops::Context& alone(int worker) const { return alone_[static_cast<size_t>(worker)]; }

 private:
  const ops::Context& all_;
  std::vector<std::unique_ptr<ThreadPool>> pools_;
  std::vector<ops::Context> alone_;
};

// Elements (floats) of scratch for muon_step() on these matrices.
int64_t muon_scratch(const ops::Context& context, std::span<const MuonMatrix> matrices);

// One step on every matrix: momentum =, weights = . With g = gradient_scale * gradients:
//   momentum += (1 - options.momentum) (g - momentum)
//   o = orthogonalise(g + options.momentum (momentum - g))           Nesterov's form
//   w -= learning_rate (weight_decay w + max(1, rows / columns)^0.5 o)
// scratch: muon_scratch() floats, 64-byte aligned, overwritten. No allocation; the bits do not
// depend on the number of threads. Cost: that of orthogonalise().
void muon_step(const MuonThreads& threads, const Muon& options,
               std::span<const MuonMatrix> matrices, double learning_rate, float gradient_scale,
               const float* gradients, float* weights, float* momentum, float* scratch);

}  // namespace cllm::optim
