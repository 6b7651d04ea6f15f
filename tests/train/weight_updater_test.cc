#include "train/weight_updater.h"

#include <gtest/gtest.h>

#include <map>

#include "trainer_rig.h"

namespace cllm {
namespace {

using ::cllm::testing::random_vector;
using ::cllm::testing::same_bits;

struct UpdateRig {
  explicit UpdateRig(const RunSettings& wanted)
      : settings(wanted),
        model(settings.model, testing::test_codes(settings.model)),
        updater(model, context, settings),
        plan(model, settings, context) {}

  const RunSettings settings;
  const Transformer model;
  ThreadPool pool{2};
  const ops::Context context{pool, kernels::chosen_table()};
  WeightUpdater updater;
  UpdatePlan plan;
};

// How often each element of the arena is updated.
std::vector<int> updates(const UpdateRig& rig) {
  std::vector<int> count(static_cast<size_t>(rig.model.parameters().arena_floats()));
  for (const optim::ParameterSpan& span : rig.plan.spans)
    for (int64_t i = span.begin; i < span.begin + span.count; ++i)
      ++count[static_cast<size_t>(i)];
  for (const optim::MuonMatrix& matrix : rig.plan.matrices)
    for (int64_t i = matrix.begin; i < matrix.begin + matrix.rows * matrix.columns; ++i)
      ++count[static_cast<size_t>(i)];
  return count;
}

TEST(UpdatePlan, EveryParameterIsUpdatedOnce) {
  for (const RunSettings& settings : {gpt2_settings(), llama_settings(), muon_settings(),
                                      factorised_settings(), composite_settings()}) {
    const UpdateRig rig(settings);
    const std::vector<int> count = updates(rig);
    for (const Parameter& parameter : rig.model.parameters().all())
      for (int64_t i = 0; i < parameter.count; ++i)
        EXPECT_EQ(count[static_cast<size_t>(parameter.offset + i)], 1) << parameter.name;
  }
}

// Per block: q [24, 24], k and v [12, 24], output [24, 24], gate and up [64, 24], down [24, 64].
TEST(UpdatePlan, MuonTakesProjectionsApart) {
  const UpdateRig rig(muon_settings());
  std::map<std::pair<int64_t, int64_t>, int> shapes;
  for (const optim::MuonMatrix& matrix : rig.plan.matrices)
    ++shapes[{matrix.rows, matrix.columns}];
  EXPECT_EQ(shapes, (std::map<std::pair<int64_t, int64_t>, int>{
                        {{24, 24}, 4}, {{12, 24}, 4}, {{64, 24}, 4}, {{24, 64}, 2}}));
  for (const optim::ParameterSpan& span : rig.plan.spans)
    EXPECT_GE(span.begin - span.second_shift, 0);
  EXPECT_GT(rig.plan.scratch_floats, 0);
}

TEST(UpdatePlan, EmbeddingsAndHeadHaveTheirRates) {
  const UpdateRig rig(muon_settings());
  const auto rate_at = [&](const char* name) {
    const int64_t offset = rig.model.parameters().find(name)->offset;
    for (const optim::ParameterSpan& span : rig.plan.spans)
      if (offset >= span.begin && offset < span.begin + span.count) return span.rate;
    return -1.0;
  };
  EXPECT_DOUBLE_EQ(rate_at("embedding.token"), 2);
  EXPECT_DOUBLE_EQ(rate_at("head.weight"), 0.5);
  EXPECT_EQ(rate_at("final_norm.gain"), 1);
  EXPECT_EQ(rate_at("blocks.1.attention.q_norm.gain"), 1);
  EXPECT_EQ(rate_at("blocks.1.mlp.down.weight"), -1) << "it is Muon's";
}

TEST(WeightUpdater, RangeByRangeGivesTheSameBits) {
  RunSettings sgd = gpt2_settings();
  sgd.optimizer.kind = OptimizerSettings::Kind::kSgd;
  for (const RunSettings& settings : {gpt2_settings(), llama_settings(), sgd, muon_settings()}) {
    UpdateRig whole(settings), parts(settings);
    const int64_t floats = whole.model.parameters().arena_floats();
    std::vector<float> a = random_vector(static_cast<size_t>(floats), 1), b = a;
    const std::vector<float> start = a;
    std::vector<ParameterRange> ranges = GradientWindow(parts.model).ranges();
    std::reverse(ranges.begin(), ranges.end());
    for (int64_t update = 1; update <= 3; ++update) {
      const std::vector<float> gradients = random_vector(start.size(), 7);
      const UpdateStep step{update, 1e-2, 0.5f};
      whole.updater.apply(step, {0, floats}, gradients.data(), a.data());
      for (const ParameterRange& range : ranges)
        parts.updater.apply(step, range, gradients.data(), b.data());
    }
    EXPECT_TRUE(same_bits(b, a));
    EXPECT_FALSE(same_bits(a, start));
  }
}

}  // namespace
}  // namespace cllm
