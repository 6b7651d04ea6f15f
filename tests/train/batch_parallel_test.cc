#include "train/batch_parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/evaluation.h"
#include "trainer_rig.h"

namespace cllm {
namespace {

using ::cllm::testing::same_bits;
using ::testing::HasSubstr;

RunSettings by_shards(RunSettings settings, int64_t shards) {
  settings.parallel.mode = ParallelSettings::Mode::kBatch;
  settings.parallel.shards = shards;
  return settings;
}

// 3 sequences in 2 and in 3 shards.
TEST(BatchParallel, SameBitsForAnyNumberOfThreads) {
  std::vector<RunSettings> all = in_every_storage(by_shards(gpt2_settings(), 2));
  all.push_back(by_shards(gpt2_settings(), 4));
  all.push_back(by_shards(llama_settings(), 2));
  all.push_back(by_shards(muon_settings(), 4));
  all.push_back(by_shards(factorised_settings(), 2));
  all.push_back(by_shards(composite_settings(), 2));
  all.push_back(by_shards(residual_settings(), 2));
  all.push_back(by_shards(lattice_settings(), 2));
  for (const RunSettings& settings : all) {
    SCOPED_TRACE(storage_name(settings));
    TrainerRig one(settings, 1);
    const std::vector<float> start = one.weights();
    const StepResult result = one.steps(4);
    EXPECT_GT(distance(one.weights(), start), 0.1) << "nothing was learnt";
    for (const int threads : {2, 3, 4}) {
      TrainerRig many(settings, threads);
      const StepResult same = many.steps(4);
      EXPECT_EQ(same.loss, result.loss);
      EXPECT_EQ(same.gradient_norm, result.gradient_norm);
      EXPECT_TRUE(same_bits(many.everything(Tokenizer::byte()), one.everything(Tokenizer::byte())));
    }
  }
}

TEST(BatchParallel, RecomputingBlocksGivesTheSameBits) {
  for (const RunSettings& family : {gpt2_settings(), llama_settings(), muon_settings()}) {
    for (RunSettings settings : in_every_precision(by_shards(family, 2))) {
      SCOPED_TRACE(storage_name(settings));
      TrainerRig kept(settings);
      kept.steps(4);
      settings.train.recompute = nn::Recompute::kBlock;
      TrainerRig again(settings, 3);
      again.steps(4);
      EXPECT_TRUE(
          same_bits(again.everything(Tokenizer::byte()), kept.everything(Tokenizer::byte())));
      EXPECT_TRUE(again.trainer.state() == kept.trainer.state());
    }
  }
}

// Plain SGD, because its update is linear in the gradient: what differs is rounding of sums. So it
// is in 16 bits too: each stored number belongs to one token, and the sums over tokens are fp32.
TEST(BatchParallel, LearnsWhatOperationParallelLearns) {
  std::vector<RunSettings> all = in_every_storage(gpt2_settings());
  for (const RunSettings& settings : in_every_storage(llama_settings()))
    all.push_back(settings);
  for (RunSettings& settings : all) {
    SCOPED_TRACE(storage_name(settings));
    settings.model.dropout = 0;  // masks belong to shards
    settings.optimizer.kind = OptimizerSettings::Kind::kSgd;
    settings.optimizer.learning_rate = 0.5;
    settings.schedule.warmup_steps = 0;
    settings.train.batch_size = 5;
    TrainerRig whole(settings);
    const std::vector<float> start = whole.weights();
    const StepResult wanted = whole.steps(1);
    const double way = distance(whole.weights(), start);
    EXPECT_GT(way, 0.1);
    for (const int64_t shards : {2, 3, 4, 5, 9}) {
      SCOPED_TRACE(shards);
      TrainerRig rig(by_shards(settings, shards));
      const StepResult result = rig.steps(1);
      EXPECT_NEAR(result.loss / wanted.loss, 1, 1e-6);
      EXPECT_NEAR(result.gradient_norm / wanted.gradient_norm, 1, 1e-6);
      EXPECT_LE(distance(rig.weights(), whole.weights()), 1e-6 * way);
    }
    TrainerRig rig(by_shards(settings, 1));
    EXPECT_EQ(rig.steps(1).loss, wanted.loss);
    EXPECT_TRUE(same_bits(rig.weights(), whole.weights())) << "one shard is the whole batch";
  }
}

// By hand: what each shard adds up, with dropout masks of its own, then one sum.
class ShardedGradient : public ::testing::TestWithParam<RunSettings> {};
INSTANTIATE_TEST_SUITE_P(Storages, ShardedGradient,
                         ::testing::ValuesIn(in_every_storage(by_shards(gpt2_settings(), 2))),
                         [](const auto& test) {
                           std::string name = storage_name(test.param);
                           std::erase_if(name, [](char c) { return c == ',' || c == ' '; });
                           return name;
                         });

TEST_P(ShardedGradient, IsTheSumOfItsShards) {
  const RunSettings& settings = GetParam();
  TrainerRig rig(settings);
  constexpr int64_t kT = 16;
  const std::vector<int32_t> tokens = testing::random_tokens(2 * 3 * kT + 1, 257, 3);
  const auto micro = [&](uint64_t step) {
    const int32_t* first = tokens.data() + step * 3 * kT;
    return MicroBatch{{first, first + 1, 3, kT}, {7, step}};
  };
  const auto floats = static_cast<size_t>(rig.model.parameters().arena_floats());
  std::vector<float> parts[2];
  double losses[2][2];
  for (uint64_t shard = 0; shard < 2; ++shard) {
    parts[shard].resize(floats);
    const int64_t sequences = shard == 0 ? 1 : 2;
    Session session(rig.model, rig.context,
                    {.B = sequences,
                     .T = kT,
                     .S = kT,
                     .training = true,
                     .storage = settings.precision.storage(),
                     .recompute = settings.train.recompute});
    for (uint64_t step = 0; step < 2; ++step) {
      const int32_t* first = micro(step).batch.tokens + (shard == 0 ? 0 : kT);
      losses[step][shard] =
          session.forward_backward({first, first + 1, sequences, kT}, rig.trainer.weights(), 0.01f,
                                   {7, 2 * step + shard}, parts[shard].data());
    }
  }
  for (size_t i = 0; i < floats; ++i)
    parts[0][i] += parts[1][i];

  std::vector<float> gradients(floats, 1.0f);
  uint64_t next = 0;
  const double loss = rig.trainer.source().accumulate(
      2, [&] { return micro(next++); }, rig.trainer.weights(), 0.01f, gradients.data());
  EXPECT_EQ(loss, (losses[0][0] + losses[0][1]) + (losses[1][0] + losses[1][1]));
  EXPECT_TRUE(same_bits(gradients, parts[0]));
}

// The last batch is part empty, and so is a shard of it.
TEST(BatchParallel, EvaluatesAsOperationParallel) {
  TrainerRig whole(gpt2_settings()), rig(by_shards(gpt2_settings(), 2));
  const EvalWindows windows(rig.dataset.view(0, 16 * 7 + 5), 3, 16);
  const std::vector<int32_t> bytes(257, 1);
  const Evaluation a = evaluate(whole.trainer.source(), whole.trainer.weights(), windows, 0, bytes);
  const Evaluation b = evaluate(rig.trainer.source(), rig.trainer.weights(), windows, 0, bytes);
  EXPECT_EQ(a.tokens, b.tokens);
  EXPECT_NEAR(a.loss / b.loss, 1, 1e-6);
}

TEST(BatchParallel, TakesTheMemoryThatWasPlanned) {
  for (const int64_t shards : {1, 2, 3, 8}) {
    for (const RunSettings& settings : in_every_storage(by_shards(gpt2_settings(), shards))) {
      TrainerRig rig(settings);
      const MemoryPlan plan = plan_memory(rig.model, settings, rig.context);
      EXPECT_EQ(plan.gradients, rig.trainer.gradient_bytes());
      EXPECT_EQ(plan.gradients,
                4 * rig.model.parameters().arena_floats() * std::min<int64_t>(shards, 3));
      EXPECT_EQ(plan.activations, rig.trainer.source().activation_bytes());
    }
  }
}

TEST(BatchParallel, AutoIsPlannedAsTheLargerOfBoth) {
  RunSettings settings = by_shards(gpt2_settings(), 3);
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  const Transformer model(settings.model);
  const int64_t batch = plan_memory(model, settings, context).total();
  settings.parallel.mode = ParallelSettings::Mode::kOperation;
  const int64_t operation = plan_memory(model, settings, context).total();
  settings.parallel.mode = ParallelSettings::Mode::kAuto;
  EXPECT_GT(batch, operation);
  EXPECT_EQ(plan_memory(model, settings, context).total(), batch);
}

// Gradients of shards are added up, so none is complete before all are.
TEST(BatchParallel, WeightsAreUpdatedAfterTheBackwardPass) {
  const RunSettings settings = in_backward(gpt2_settings());
  EXPECT_TRUE(settings.updates_in_backward());
  EXPECT_FALSE(by_shards(settings, 2).updates_in_backward());
  TrainerRig rig(by_shards(settings, 2));
  EXPECT_TRUE(std::isfinite(rig.steps(2).loss));
}

TEST(BatchParallel, NamesWhatDiverges) {
  TrainerRig parameter(by_shards(llama_settings(), 2));
  parameter.trainer.weights()[parameter.model.parameters().find("final_norm.gain")->offset] = NAN;
  EXPECT_THAT(divergence_of(parameter), HasSubstr("parameter final_norm.gain"));
  TrainerRig gradient(by_shards(settings_without_limits(), 2));
  enlarge_gradient(gradient, 1e38f);
  EXPECT_THAT(divergence_of(gradient), HasSubstr("gradient of final_norm.gain is not finite"));
}

// Token 7 is in one sequence of the batch, that of the last shard.
TEST(BatchParallel, FindsTheShardThatDiverged) {
  RunSettings settings = by_shards(gpt2_settings(), 3);
  settings.model.dropout = 0;
  settings.model.tied_head = false;
  TrainerRig rig(settings);
  std::vector<int32_t> tokens(3 * 16, 3);
  tokens[40] = 7;
  float* row = rig.trainer.weights() + rig.model.token_table().offset + 7 * settings.model.width;
  for (int64_t c = 0; c < settings.model.width; ++c)
    row[c] = c % 2 == 0 ? 1e38f : -1e38f;  // its variance overflows
  std::vector<float> gradients(static_cast<size_t>(rig.model.parameters().arena_floats()));
  const auto bad = [&] {
    return rig.trainer.source().first_nonfinite({{tokens.data(), tokens.data(), 3, 16}, {}},
                                                rig.trainer.weights(), gradients.data());
  };
  EXPECT_THAT(bad(), HasSubstr("activation blocks.0."));
  tokens[40] = 3;
  EXPECT_EQ(bad(), "");
}

}  // namespace
}  // namespace cllm
