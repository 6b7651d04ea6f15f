#include "train/streamed_update.h"

#include <gmock/gmock.h>

#include <cmath>

#include "trainer_rig.h"

namespace cllm {
namespace {

using ::cllm::testing::random_vector;
using ::cllm::testing::same_bits;

RunSettings settings_of(OptimizerSettings::Kind kind) {
  RunSettings settings = kind == OptimizerSettings::Kind::kMuon ? muon_settings() : gpt2_settings();
  settings.optimizer.kind = kind;
  settings.model.layers = 4;
  return settings;
}

// A backward pass whose gradients are given: fills the window range by range as Session does.
struct StreamRig {
  StreamRig(const RunSettings& wanted, int threads)
      : settings(wanted),
        model(settings.model, testing::test_codes(settings.model)),
        pool(threads),
        updater(model, context, settings),
        memory(static_cast<size_t>(window.floats())),
        weights(random_vector(floats(), 1)),
        gradients(floats()) {
    const std::vector<float> random = random_vector(floats(), 2);
    for (const Parameter& parameter : model.parameters().all())  // gaps are zero
      std::copy_n(random.begin() + parameter.offset, parameter.count,
                  gradients.begin() + parameter.offset);
  }
  size_t floats() const { return static_cast<size_t>(model.parameters().arena_floats()); }

  // False as soon as an update says so.
  bool pass(StreamedUpdate& update) {
    std::vector<ParameterRange> order;
    for (size_t layer = model.blocks().size(); layer-- > 0;)
      order.push_back(window.block(layer));
    order.push_back(window.back());
    order.push_back(window.front());
    for (const ParameterRange& range : order) {
      float* place = window.at(range, memory.data());
      for (int64_t i = 0; i < range.count(); ++i) {
        EXPECT_EQ(place[i], 0) << "a place is used again before it is clear";
        place[i] = gradients[static_cast<size_t>(range.begin + i)];
      }
      if (!update.take(range)) return false;
      pool.parallel_for(8, [](int64_t, int) {});  // the next block's operations
    }
    return update.finish();
  }

  const RunSettings settings;
  const Transformer model;
  ThreadPool pool;
  const ops::Context context{pool, kernels::chosen_table()};
  WeightUpdater updater;
  const GradientWindow window{model};
  std::vector<float> memory, weights, gradients;
};

TEST(StreamedUpdate, GivesTheBitsOfAnUpdateAtOnce) {
  for (const auto kind : {OptimizerSettings::Kind::kAdamw, OptimizerSettings::Kind::kSgd,
                          OptimizerSettings::Kind::kMuon})
    for (const int threads : {1, 4}) {
      StreamRig streamed(settings_of(kind), threads), once(settings_of(kind), 1);
      StreamedUpdate update(streamed.context, streamed.window, streamed.updater,
                            streamed.memory.data(), streamed.weights.data());
      for (int64_t number = 1; number <= 3; ++number) {
        const UpdateStep step{number, 1e-2, 0.5f};
        update.begin(step);
        ASSERT_TRUE(streamed.pass(update));
        double squares = 0;
        for (const float g : once.gradients)
          squares += static_cast<double>(g) * g;
        EXPECT_NEAR(update.norm() / std::sqrt(squares), 1, 1e-6);
        EXPECT_THAT(streamed.memory, ::testing::Each(0.0f));
        once.updater.apply(step, {0, static_cast<int64_t>(once.floats())}, once.gradients.data(),
                           once.weights.data());
      }
      EXPECT_TRUE(same_bits(streamed.weights, once.weights));
      EXPECT_FALSE(same_bits(once.weights, random_vector(once.floats(), 1)));
    }
}

TEST(StreamedUpdate, TellsTheRangeThatIsNotFinite) {
  for (const auto kind : {OptimizerSettings::Kind::kAdamw, OptimizerSettings::Kind::kMuon})
    for (const char* name :
         {"blocks.3.mlp.up.weight", "blocks.0.mlp.up.weight", "final_norm.gain", "embedding.token"})
      for (const float wrong : {NAN, INFINITY}) {
        StreamRig rig(settings_of(kind), 3);
        const int64_t bad = rig.model.parameters().find(name)->offset;
        rig.gradients[static_cast<size_t>(bad)] = wrong;
        StreamedUpdate update(rig.context, rig.window, rig.updater, rig.memory.data(),
                              rig.weights.data());
        update.begin({1, 1e-2, 1.0f});
        ASSERT_FALSE(rig.pass(update)) << name;
        const ParameterRange broken = update.broken();
        EXPECT_TRUE(broken.begin <= bad && bad < broken.end) << name;
        // Still there to be told by name, and not in the weights.
        const float* place = rig.window.at(broken, rig.memory.data());
        EXPECT_FALSE(std::isfinite(place[bad - broken.begin]));
        EXPECT_TRUE(std::isfinite(rig.weights[static_cast<size_t>(bad)]));
      }
}

}  // namespace
}  // namespace cllm
