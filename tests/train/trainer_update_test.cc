// Trainer: optimizers, the average of the weights, loss scaling, updates in the backward pass.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "optim/ema.h"
#include "trainer_rig.h"

namespace cllm {
namespace {

using ::cllm::testing::same_bits;
using ::testing::HasSubstr;

// The matrices of the blocks, most of the model, have one moment instead of two.
TEST(Trainer, MuonTakesLessMemoryThanAdamw) {
  RunSettings settings = muon_settings();
  const Transformer model(settings.model);
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  const int64_t muon = plan_memory(model, settings, context).moments;
  settings.optimizer.kind = OptimizerSettings::Kind::kAdamw;
  int64_t hidden = 0;
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.is_matrix() && parameter.name.starts_with("blocks."))
      hidden += 4 * parameter.count;  // of sizes without alignment gaps
  EXPECT_GT(hidden, 0);
  EXPECT_EQ(plan_memory(model, settings, context).moments, muon + hidden);
}

TEST(Trainer, TheAverageFollowsTheWeights) {
  RunSettings settings = gpt2_settings();
  settings.train.ema_decay = 0.3;
  TrainerRig rig(settings);
  const auto floats = rig.model.parameters().arena_floats();
  std::vector<float> average = rig.weights();
  for (const double decay : {0.1, 2.0 / 11, 0.25, 0.3, 0.3}) {
    rig.steps(1);
    optim::ema_update(rig.context, decay, floats, rig.trainer.weights(), average.data());
  }
  EXPECT_TRUE(same_bits(rig.evaluation_weights(), average));
  EXPECT_FALSE(same_bits(rig.weights(), average));
  TrainerRig plain(gpt2_settings());
  plain.steps(5);
  EXPECT_TRUE(same_bits(plain.weights(), rig.weights())) << "the average changes the training";
}

TEST(Trainer, MuonLearnsARepeatingText) {
  RunSettings settings = muon_settings();
  settings.train.steps = 60;
  const Transformer model(settings.model);
  std::vector<Token> tokens;
  for (int i = 0; i < 400; ++i)
    tokens.push_back(i % 7);
  const TokenDataset dataset = TokenDataset::from_tokens(tokens, 257);
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  Trainer trainer(model, context, settings, dataset.all());
  trainer.initialise();
  double loss = 0;
  for (int i = 0; i < 60; ++i)
    loss = trainer.step().loss;
  EXPECT_LT(loss, 0.5);
}

// SGD, because its update is linear in the gradient. The scale must cancel; what is left is
// rounding.
TEST(Trainer, ALossScaleCancels) {
  RunSettings settings = llama_settings();
  settings.optimizer.kind = OptimizerSettings::Kind::kSgd;
  settings.optimizer.learning_rate = 0.5;
  settings.precision.mode = PrecisionSettings::Mode::kFp16;
  settings.precision.loss_scale = 1;
  TrainerRig one(settings);
  const std::vector<float> start = one.weights();
  const double norm = one.steps(1).gradient_norm;
  one.steps(2);
  const double way = distance(one.weights(), start);
  for (const double scale : {1024.0, 2048.0, 0.0}) {
    settings.precision.loss_scale = scale;
    TrainerRig scaled(settings);
    EXPECT_NEAR(scaled.steps(1).gradient_norm / norm, 1, 0.01);
    const StepResult last = scaled.steps(2);
    EXPECT_EQ(last.loss_scale, scale == 0 ? 65536 : scale);
    EXPECT_LE(distance(scaled.weights(), one.weights()), 0.01 * way);
    EXPECT_EQ(scaled.trainer.state().loss_scale.skipped_steps, 0);
  }
}

// An overflow that a smaller scale cures: fp16 ends at 65504.
TEST(Trainer, AnOverflowInFp16SkipsTheStep) {
  RunSettings settings = settings_without_limits();
  settings.precision.mode = PrecisionSettings::Mode::kFp16;
  TrainerRig rig(settings);
  enlarge_gradient(rig, 1e4f);
  const std::vector<float> before = rig.everything(Tokenizer::byte());
  int skipped = 0;
  StepResult result = rig.trainer.step();
  for (; result.skipped && skipped < 20; result = rig.trainer.step()) {
    EXPECT_EQ(result.loss_scale, 65536 / std::pow(2, skipped));
    EXPECT_EQ(rig.trainer.state().step, ++skipped);
    EXPECT_TRUE(same_bits(rig.everything(Tokenizer::byte()), before)) << "an update was made";
  }
  EXPECT_GT(skipped, 0);
  EXPECT_LT(skipped, 16);
  EXPECT_TRUE(std::isfinite(result.gradient_norm));
  EXPECT_FALSE(same_bits(rig.everything(Tokenizer::byte()), before));
  EXPECT_EQ(rig.trainer.state().loss_scale.skipped_steps, skipped);
  EXPECT_EQ(rig.trainer.state().loss_scale.skipped_in_row, 0);
  EXPECT_EQ(rig.trainer.state().step, skipped + 1);
}

// One that no scale cures ends the run after all.
TEST(Trainer, AnOverflowThatStaysInFp16Diverges) {
  for (const double scale : {0.0, 1024.0}) {
    RunSettings settings = settings_without_limits();
    settings.precision.mode = PrecisionSettings::Mode::kFp16;
    settings.precision.loss_scale = scale;
    TrainerRig rig(settings);
    enlarge_gradient(rig, 1e38f);
    for (int step = 0; step < (scale == 0 ? 16 : 49); ++step)
      EXPECT_TRUE(rig.trainer.step().skipped);
    EXPECT_THAT(divergence_of(rig), HasSubstr("gradient of final_norm.gain is not finite"));
  }
}

// Against the ordinary way with a limit that nothing reaches.
TEST(Trainer, UpdatesInTheBackwardPassGiveTheSameBits) {
  RunSettings sgd = gpt2_settings();
  sgd.optimizer.kind = OptimizerSettings::Kind::kSgd;
  RunSettings muon = muon_settings();
  muon.precision.mode = PrecisionSettings::Mode::kFp32;
  RunSettings bf16 = llama_settings();
  bf16.precision.mode = PrecisionSettings::Mode::kBf16;
  bf16.train.recompute = nn::Recompute::kBlock;
  for (RunSettings settings :
       {gpt2_settings(), llama_settings(), sgd, muon, bf16, factorised_settings(),
        composite_settings(), lattice_settings(), residual_settings()}) {
    settings = in_backward(settings);
    for (const int threads : {1, 3}) {
      TrainerRig by_ranges(settings, threads);
      settings.train.clip_norm = 1e30;
      TrainerRig at_once(settings, threads);
      settings.train.clip_norm = 0;
      EXPECT_LT(by_ranges.trainer.gradient_bytes(), at_once.trainer.gradient_bytes());
      for (int step = 0; step < 4; ++step) {
        const StepResult a = by_ranges.trainer.step(), b = at_once.trainer.step();
        EXPECT_EQ(a.loss, b.loss);
        // The same squares, added in another order.
        EXPECT_NEAR(a.gradient_norm / b.gradient_norm, 1, 1e-6);
      }
      EXPECT_TRUE(same_bits(by_ranges.everything(Tokenizer::byte()),
                            at_once.everything(Tokenizer::byte())));
      EXPECT_TRUE(by_ranges.trainer.state() == at_once.trainer.state());
    }
  }
}

TEST(Trainer, UpdatesInTheBackwardPassStopAtWhatIsNotFinite) {
  TrainerRig loss(in_backward(gpt2_settings()));
  loss.steps(1);
  const int64_t bad = loss.model.parameters().find("blocks.1.mlp.up.weight")->offset;
  loss.trainer.weights()[bad] = NAN;
  EXPECT_THAT(divergence_of(loss), HasSubstr("parameter blocks.1.mlp.up.weight"));

  TrainerRig gradient(in_backward(settings_without_limits()));
  enlarge_gradient(gradient, 1e38f);
  try {
    gradient.trainer.step();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kDiverged);
    EXPECT_THAT(error.what(), HasSubstr("gradient of "));
    EXPECT_THAT(error.what(), HasSubstr("is not finite; other weights were updated already"));
  }
}

}  // namespace
}  // namespace cllm
