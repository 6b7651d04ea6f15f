#include "nn/block.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "layer_rig.h"

namespace cllm::nn {
namespace {

using namespace ::cllm::testing;

constexpr int64_t kC = 8, kD = 4, kB = 2, kT = 5;

BlockOptions gpt2(float dropout) {
  return {.norm = NormKind::kLayerNorm,
          .norm_epsilon = 1e-3f,
          .norm_bias = true,
          .dropout = dropout,
          .attention = {.C = kC, .H = 2, .K = 2, .D = kD, .bias = true, .dropout = dropout},
          .mlp = {.kind = MlpKind::kGelu, .C = kC, .F = 12, .bias = true}};
}

BlockOptions llama(float dropout) {
  return {.norm = NormKind::kRmsNorm,
          .norm_epsilon = 1e-3f,
          .norm_bias = false,
          .dropout = dropout,
          .attention =
              {.C = kC, .H = 2, .K = 1, .D = kD, .bias = false, .rotary = true, .dropout = dropout},
          .mlp = {.kind = MlpKind::kSwiglu, .C = kC, .F = 12, .bias = false}};
}

// One block through its own plan, buffers shared by lifetime as in a model.
struct Ran {
  Ran(const ops::Context& context, const BlockOptions& options)
      : rig(context, kB, kT), block(rig.table(), "b", options, 2) {
    Planner& planner = rig.planner();
    const int64_t count = rig.rows() * kC;
    const Slot input = planner.declare("input", count);
    planner.advance();
    BlockPlan plan = block.plan_forward(planner, rig.shape(), input);
    planner.touch(plan.output);
    planner.advance();
    const Slot gradient = planner.declare("dx", count);
    block.plan_backward(planner, rig.shape(), gradient, plan);
    planner.touch(gradient);
    rig.place(block.reduction_floats(rig.rows()), block.attention_floats(context, rig.shape()));

    x = random_vector(static_cast<size_t>(count), 1);
    dy = random_vector(static_cast<size_t>(count), 2);
    const RotaryTables tables(kT, kD);
    nn::Run run = rig.run();
    run.rotary_cosine = tables.cosine.data();
    run.rotary_sine = tables.sine.data();
    std::copy(x.begin(), x.end(), run.at(input));
    block.forward(run, rig.scratch(), plan);
    y.assign(run.at(plan.output), run.at(plan.output) + count);
    std::copy(dy.begin(), dy.end(), run.at(gradient));
    block.backward(run, rig.scratch(), plan, run.at(gradient));
    dx.assign(run.at(gradient), run.at(gradient) + count);
  }
  LayerRig rig;
  Block block;
  std::vector<float> x, y, dy, dx;
};

TEST(Block, ValuesAndGradients) {
  for_each_context([](const ops::Context& context) {
    for (const float dropout : {0.0f, 0.25f}) {
      for (const BlockOptions& options : {gpt2(dropout), llama(dropout)}) {
        Ran ran(context, options);
        const reference::Call call{.B = kB,
                                   .T = kT,
                                   .dropout = static_cast<double>(dropout),
                                   .seed = 9,
                                   .micro_step = 4,
                                   .frequencies = frequencies_of(kD)};
        const auto truth = [&](const auto& weights, const auto& x) {
          return reference::block(weights, "b", options, 2, call, x);
        };
        EXPECT_TRUE(ran.rig.check(ran.x, ran.y, ran.dy, ran.dx, {}, truth)) << dropout;
        ran.dx[3] += 1e-2f;
        EXPECT_FALSE(ran.rig.check(ran.x, ran.y, ran.dy, ran.dx, {}, truth)) << "a wrong dx";
      }
    }
  });
}

}  // namespace
}  // namespace cllm::nn
