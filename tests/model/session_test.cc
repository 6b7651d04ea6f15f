#include "model/session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "kernels/table.h"

namespace cllm {
namespace {

ModelConfig tiny() {
  ModelConfig config;
  config.vocabulary_size = 7;
  config.context_length = 8;
  config.layers = 1;
  config.heads = 2;
  config.width = 4;
  return config;
}

struct Rig {
  explicit Rig(const ModelConfig& config = tiny())
      : model(config), weights(model.parameters().arena_floats(), "a test") {
    model.initialise(pool, 1, weights.data());
  }
  ThreadPool pool{1};
  ops::Context context{pool, kernels::chosen_table()};
  Transformer model;
  Arena weights;
};

TEST(SessionDeathTest, ATokenOutsideTheVocabularyIsCaughtBeforeItIsLookedUp) {
  Rig rig;
  Session session(rig.model, rig.context, {.B = 1, .T = 8, .S = 8, .training = true});
  Arena gradients(rig.weights.floats(), "a test");
  const std::vector<int32_t> targets(8, 0);
  for (const int32_t bad : {-1, 7, INT32_MAX}) {
    std::vector<int32_t> tokens(8, 6);
    const Batch batch{tokens.data(), targets.data(), 1, 8};
    EXPECT_TRUE(session.evaluate(batch, rig.weights.data()) > 0) << "6 is a token";
    tokens[5] = bad;
    EXPECT_DEATH(session.evaluate(batch, rig.weights.data()), "tokens\\[5\\]=");
    EXPECT_DEATH(session.forward_backward(batch, rig.weights.data(), 1.0f, {}, gradients.data()),
                 "tokens\\[5\\]=");
    std::vector<float> logits(8 * 7);
    EXPECT_DEATH(session.logits(tokens, rig.weights.data(), logits.data()), "tokens\\[5\\]=");
  }
}

TEST(SessionDeathTest, LearnedPositionsEndWithTheContext) {
  Rig learned;
  EXPECT_DEATH(Session(learned.model, learned.context, {.B = 1, .T = 4, .S = 9}),
               "S=9 but 8 learned positions");
  ModelConfig config = tiny();
  config.position = PositionKind::kRotary;
  Rig rotary(config);
  Session(rotary.model, rotary.context, {.B = 1, .T = 4, .S = 9});  // its tables are the plan's
}

// A batch smaller than planned, in every part of the shape, gives what a plan of its size gives.
TEST(Session, ASmallerBatchThanPlannedGivesTheSameBits) {
  ModelConfig config = tiny();
  config.context_length = 64;
  Rig rig(config);
  const int64_t floats = rig.weights.floats();
  std::vector<int32_t> tokens(1025);
  for (size_t n = 0; n < tokens.size(); ++n)
    tokens[n] = static_cast<int32_t>(n * n % 7);
  const auto run = [&](int64_t planned_B, int64_t B, int64_t T) {
    Session session(rig.model, rig.context, {.B = planned_B, .T = 25, .S = 64, .training = true});
    Arena gradients(floats, "a test");
    session.clear_gradients(gradients.data());
    const Batch batch{tokens.data(), tokens.data() + 1, B, T};
    const double loss =
        session.forward_backward(batch, rig.weights.data(), 0.1f, {}, gradients.data());
    std::vector<float> all(gradients.data(), gradients.data() + floats);
    all.push_back(static_cast<float>(loss));
    return all;
  };
  EXPECT_EQ(run(41, 24, 41), run(40, 24, 41));  // 1025 rows planned, 984 run
  EXPECT_EQ(run(41, 1, 64), run(3, 1, 64));
  EXPECT_EQ(run(41, 3, 1), run(1, 3, 1));
}

// The pass that is run again for the backward keeps nothing for it the first time.
TEST(Session, ABlockThatIsRunAgainKeepsItsHiddenLayerOnce) {
  ModelConfig config = tiny();
  config.layers = 3;
  Rig rig(config);
  for (const auto level : {nn::Recompute::kNone, nn::Recompute::kCheap, nn::Recompute::kBlock}) {
    const Planner plan = Session::plan_only(
        rig.model, rig.context, {.B = 2, .T = 8, .S = 8, .training = true, .recompute = level});
    for (const char* kept : {".mlp.hidden", ".attention.log_sum_exp"})
      EXPECT_EQ(std::ranges::count_if(
                    plan.entries(), [&](const auto& entry) { return entry.name.ends_with(kept); }),
                3)
          << kept;
  }
}

// What a stream promises about a loss that is not finite: no range was finished, and the window is
// zero as before. The gradients that would be needed to look further are not asked for.
TEST(Session, ALossThatIsNotFiniteLeavesAStreamAsItWas) {
  for (const bool tied : {true, false}) {
    ModelConfig config = tiny();
    config.tied_head = tied;
    Rig rig(config);
    Session session(rig.model, rig.context, {.B = 1, .T = 8, .S = 8, .training = true});
    const GradientWindow window(rig.model);
    std::vector<float> memory(static_cast<size_t>(window.floats()));
    int finished = 0;
    const GradientStream stream{window, memory.data(), [&](ParameterRange range) {
                                  std::fill_n(window.at(range, memory.data()), range.count(), 0.0f);
                                  ++finished;
                                }};
    const std::vector<int32_t> tokens(8, 3);
    const Batch batch{tokens.data(), tokens.data(), 1, 8};
    const auto run = [&] {
      return session.forward_backward(batch, rig.weights.data(), 1.0f, {}, stream);
    };
    const auto bad = [&] {
      return session.first_nonfinite(batch, rig.weights.data(), {}, nullptr);
    };
    EXPECT_TRUE(std::isfinite(run()));
    EXPECT_EQ(finished, 3);
    EXPECT_EQ(bad(), "");
    float& weight = rig.weights.data()[rig.model.parameters().find("final_norm.gain")->offset];
    for (const float wrong : {NAN, INFINITY}) {
      weight = wrong;
      EXPECT_FALSE(std::isfinite(run()));
      EXPECT_EQ(finished, 3);
      EXPECT_THAT(memory, testing::Each(0.0f));
      EXPECT_EQ(bad(), "parameter final_norm.gain");
    }
  }
}

}  // namespace
}  // namespace cllm
