#include "nn/attention.h"

#include <gtest/gtest.h>

#include "layer_rig.h"

namespace cllm::nn {
namespace {

using namespace ::cllm::testing;

constexpr int64_t kC = 6, kH = 4, kD = 4, kB = 2, kT = 4;

AttentionOptions options_of(int bits) {
  return {.C = kC,
          .H = kH,
          .K = (bits & 1) != 0 ? 2 : kH,
          .D = kD,
          .bias = (bits & 2) != 0,
          .rotary = (bits & 4) != 0,
          .qk_norm = (bits & 8) != 0,
          .qk_norm_epsilon = 1e-3f,
          .dropout = (bits & 16) != 0 ? 0.25f : 0.0f};
}

struct Attended {
  Attended(const ops::Context& context, const AttentionOptions& options, uint32_t layer)
      : rig(context, kB, kT), attention(rig.table(), "a", options, layer) {
    AttentionPlan plan = attention.plan(rig.planner(), "a", rig.shape());
    attention.plan_backward(rig.planner(), "a", rig.shape(), plan);
    rig.place(attention.reduction_floats(rig.rows()),
              attention.scratch_floats(context, rig.shape()));
    const auto count = static_cast<size_t>(rig.rows() * kC);
    x = random_vector(count, 1);
    dy = random_vector(count, 2);
    residual = random_vector(count, 3);
    y = dx = unset(rig.rows() * kC);
    std::vector<float> dheads = unset(attention.heads_elements(rig.rows()));
    const RotaryTables tables(kT, kD);
    nn::Run run = rig.run();
    run.rotary_cosine = tables.cosine.data();
    run.rotary_sine = tables.sine.data();
    attention.forward(run, rig.scratch(), plan, x.data(), {.residual = residual.data()}, y.data());
    attention.backward(run, rig.scratch(), plan, x.data(), dy.data(), dheads.data(), dx.data());
  }
  LayerRig rig;
  Attention attention;
  std::vector<float> x, y, dy, dx, residual;
};

TEST(Attention, ValuesAndGradientsForEveryOption) {
  for_each_context([](const ops::Context& context) {
    if (context.pool.size() % 2 == 0) return;  // 1 and 3 threads
    for (int bits = 0; bits < 32; ++bits) {
      const AttentionOptions options = options_of(bits);
      Attended done(context, options, 3);
      const reference::Call call{.B = kB,
                                 .T = kT,
                                 .dropout = static_cast<double>(options.dropout),
                                 .seed = 9,
                                 .micro_step = 4,
                                 .frequencies = frequencies_of(kD)};
      const auto truth = [&](const auto& weights, const auto& x) {
        return reference::plus(reference::attention_layer(weights, "a", options, 3, call, x),
                               widen<Complex>(done.residual));
      };
      EXPECT_TRUE(done.rig.check(done.x, done.y, done.dy, done.dx, {}, truth))
          << "options " << bits;
      if (context.pool.size() > 1) continue;
      done.rig.gradients()[7] += 1e-2f;
      EXPECT_FALSE(done.rig.check(done.x, done.y, done.dy, done.dx, {}, truth)) << "a wrong one";
    }
  });
}

TEST(Attention, LayersDropDifferentProbabilities) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  const Attended first(context, options_of(16), 0), second(context, options_of(16), 1);
  EXPECT_FALSE(same_bits(first.y, second.y));
}

TEST(Attention, CheckOfTheCacheCapacity) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  LayerRig rig(context, 1, 3);
  const Attention attention(rig.table(), "a", options_of(0), 0);
  const AttentionPlan plan = attention.plan(rig.planner(), "a", rig.shape());
  rig.place(0, attention.scratch_floats(context, rig.shape()));
  std::vector<float> memory(static_cast<size_t>(2 * kH * kD * 4)), x(3 * kC), y(3 * kC);
  KvCache cache{.keys = memory.data(),
                .values = memory.data() + kH * kD * 4,
                .layer_stride = 4 * kH * kD,
                .row_stride = kH * kD,
                .capacity = 4,
                .length = 2};
  nn::Run run = rig.run();
  run.training = false;
  run.caches = {&cache, 1};
  EXPECT_DEATH(attention.forward(run, rig.scratch(), plan, x.data(), {}, y.data()), "2\\+3 of 4");
}

}  // namespace
}  // namespace cllm::nn
