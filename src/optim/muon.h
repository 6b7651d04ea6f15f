// Muon: momentum, orthogonalised, for hidden matrices (Jordan et al., "Muon: an optimizer for
// hidden layers in neural networks", 2024).
#pragma once

#include <cstdint>
#include <span>

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

// Elements (floats) of scratch for muon_step() on these matrices.
int64_t muon_scratch(const ops::Context& context, std::span<const MuonMatrix> matrices);

// One step on every matrix: momentum =, weights = . With g = gradient_scale * gradients:
//   momentum += (1 - options.momentum) (g - momentum)
//   o = orthogonalise(g + options.momentum (momentum - g))           Nesterov's form
//   w -= learning_rate (weight_decay w + max(1, rows / columns)^0.5 o)
// scratch: muon_scratch() floats, 64-byte aligned, overwritten. No allocation; the bits do not
// depend on the number of threads. Cost: that of orthogonalise().
void muon_step(const ops::Context& context, const Muon& options,
               std::span<const MuonMatrix> matrices, double learning_rate, float gradient_scale,
               const float* gradients, float* weights, float* momentum, float* scratch);

}  // namespace cllm::optim
