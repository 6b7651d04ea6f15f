// Climbs the staircase (bench/staircase_stairs.h): every stair trains the same model on the same
// batches, is held to the losses of the stair before, and is timed in turns with the others.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/staircase_stairs.h"
#include "ops/context.h"

namespace cllm::bench {

struct StaircaseOptions {
  int rounds = 3;
  int steps = 2;  // timed per turn, after one that warms up
};

// Why two stairs may show different losses: each rounds its sums in another order.
struct LossRounding {
  // Relative error of one pass: a sum of n terms in any order is off by about sqrt(n) units of
  // 2^-24 of its terms' magnitudes, and the loss is the end of a chain of such sums. In bf16 every
  // activation and every weight of a product is rounded to about 2^-9 of itself, some 13 times in a
  // row per block: 2 to 6 blocks put sqrt(13 L) <= 9 such units into a logit. In the few steps that
  // are compared logits have deviations of a few tenths, a ninth of the loss or less, and the loss
  // itself, made of them in fp32, is the mean over rows with roundings of their own: below 2^-9.
  // (All shapes stay within a tenth of what this allows; twice the learning rate does not.)
  double pass = 0;
  // Loss that one optimizer step moves at most, to first order: the clipped gradient's norm times
  // the length of AdamW's step, learning_rate * sqrt(parameters). The rounded part of it moves the
  // loss of every later step.
  double movement = 0;
};

// For the longest sum of the model over `rows` rows of a batch, or for bf16 on one of the two sides
// that are compared, or on both.
LossRounding loss_rounding(const ModelConfig& model, int64_t parameters, int64_t rows,
                           double learning_rate, double clip_norm, bool bf16);

// "" if |losses[s] - before[s]| <= pass * (before[s] + s * movement) for every step s, else the
// first step that says otherwise, in words. A NaN is never within.
std::string loss_disagreement(const std::vector<double>& losses, const std::vector<double>& before,
                              const LossRounding& rounding);

// Appends a result (tokens/s) for each stair of each shape, and notes. Slow stairs are timed on
// fewer sequences, as the results say. progress may throw to stop, also between the steps of a
// turn. Error (kRuntime) naming the stair whose losses are not those of the stair before; Error
// (kMemory).
void climb_staircase(const std::vector<StairShape>& shapes, const StaircaseOptions& options,
                     const ops::Context& context, const Progressed& progress, Report& report);

}  // namespace cllm::bench
