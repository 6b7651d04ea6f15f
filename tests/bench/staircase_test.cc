#include "bench/staircase.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "bench/staircase_trainer.h"
#include "testing.h"

namespace cllm::bench {
namespace {

constexpr int kSteps = 4;

ModelConfig tiny_model() {
  ModelConfig model;
  model.vocabulary_size = 61;
  model.context_length = 9;
  model.layers = 2;
  model.heads = 3;
  model.width = 24;
  return model;
}

// Small numbers are common.
std::vector<int32_t> learnable_tokens() {
  std::vector<int32_t> tokens = testing::random_tokens(400, 61, 3);
  for (int32_t& token : tokens)
    token = token * token / 61;
  return tokens;
}

struct Rig {
  ModelConfig config = tiny_model();
  Transformer model{config};
  TokenDataset data = TokenDataset::from_tokens(learnable_tokens(), 61);
  ThreadPool pool{3};
  ops::Context context{pool, kernels::chosen_table()};
  int64_t batch = 4;

  std::vector<double> losses(const Features& features, double learning_rate) {
    RunSettings settings = stair_settings(config, features, batch);
    settings.optimizer.learning_rate = learning_rate;
    const auto trainer = make_stair_trainer(features, model, settings, data.all(), context);
    std::vector<double> losses;
    for (int step = 0; step < kSteps; ++step)
      losses.push_back(trainer->step().loss);
    return losses;
  }
  LossRounding rounding(const Features& features) const {
    const RunSettings settings = stair_settings(config, features, batch);
    return loss_rounding(config, model.parameters().count(), batch * config.context_length,
                         settings.optimizer.learning_rate, settings.train.clip_norm, features.bf16);
  }
};

TEST(Staircase, EveryStairTrainsAsTheOneBefore) {
  Rig rig;
  std::vector<double> before;
  for (const Stair& stair : stairs()) {
    const std::vector<double> losses = rig.losses(stair.features, 1e-3);
    EXPECT_LT(losses.back(), losses.front()) << stair.name;
    if (!before.empty()) {
      EXPECT_EQ(loss_disagreement(losses, before, rig.rounding(stair.features)), "") << stair.name;
    }
    before = losses;
  }
}

TEST(Staircase, NoticesALearningRateOnePercentOff) {
  Rig rig;
  const std::vector<double> right = rig.losses(stairs().front().features, 1e-3);
  const std::vector<double> wrong = rig.losses(stairs().front().features, 1.01e-3);
  EXPECT_NE(loss_disagreement(wrong, right, rig.rounding({})), "");
}

// What bf16 may differ by is wider, but no licence to train otherwise.
TEST(Staircase, NoticesTwiceTheLearningRateInBf16) {
  Rig rig;
  Features features = stairs().back().features;
  features.accumulation = 1;
  ASSERT_TRUE(features.bf16);
  const std::vector<double> right = rig.losses(stairs().front().features, 1e-3);
  EXPECT_EQ(loss_disagreement(rig.losses(features, 1e-3), right, rig.rounding(features)), "");
  EXPECT_NE(loss_disagreement(rig.losses(features, 2e-3), right, rig.rounding(features)), "");
}

TEST(Staircase, DisagreementNamesTheFirstStepAndRefusesNan) {
  const LossRounding rounding{.pass = 1e-6, .movement = 1};
  EXPECT_EQ(loss_disagreement({4, 3}, {4, 3.0000039}, rounding), "");
  EXPECT_THAT(loss_disagreement({4, 3}, {4, 3.0000041}, rounding), ::testing::HasSubstr("step 2"));
  EXPECT_NE(loss_disagreement({4.00001}, {4}, rounding), "");
  EXPECT_NE(loss_disagreement({std::numeric_limits<double>::quiet_NaN()}, {4}, rounding), "");
  EXPECT_NE(loss_disagreement({4}, {std::numeric_limits<double>::quiet_NaN()}, rounding), "");
  EXPECT_NE(loss_disagreement({4}, {4, 3}, rounding), "");
}

TEST(Staircase, ClimbReportsEveryStairOnce) {
  StairShape shape{"tiny", "a tiny model", tiny_model(), 4, 2};
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  Report report;
  int64_t last = -1, total = 0;
  climb_staircase(
      {shape}, {.rounds = 2, .steps = 1}, context,
      [&](int64_t done, int64_t of) {
        EXPECT_GE(done, last);
        last = done;
        total = of;
      },
      report);
  EXPECT_EQ(last, total);
  ASSERT_EQ(report.results.size(), stairs().size());
  for (const Result& result : report.results) {
    EXPECT_EQ(result.samples.size(), 2u);
    EXPECT_GT(result.samples.front(), 0);
    EXPECT_EQ(result.extra.at("tokens_per_step"), 36);
  }
  EXPECT_EQ(report.results.front().extra.at("gain"), 1.0);
}

TEST(Staircase, StopsWhenProgressThrows) {
  StairShape shape{"tiny", "a tiny model", tiny_model(), 4, 2};
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  Report report;
  const Progressed stop = [](int64_t done, int64_t) {
    if (done == 3) throw 3;
  };
  EXPECT_THROW(climb_staircase({shape}, {.rounds = 1, .steps = 1}, context, stop, report), int);
  EXPECT_TRUE(report.results.empty());
}

TEST(Staircase, ShapesAreTheDocuments) {
  for (const StairShape& shape : stair_shapes()) {
    EXPECT_NO_THROW(shape.model.validate()) << shape.name;
    EXPECT_LE(shape.check_batch, shape.batch);
    EXPECT_EQ(shape.model.mlp_hidden(), 4 * shape.model.width);
  }
}

}  // namespace
}  // namespace cllm::bench
