#include "train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "trainer_rig.h"

namespace cllm {
namespace {

using ::cllm::testing::same_bits;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Trainer, SameBitsForAnyNumberOfThreads) {
  for (const RunSettings& family :
       {gpt2_settings(), llama_settings(), muon_settings(), factorised_settings(),
        composite_settings(), residual_settings()}) {
    for (const RunSettings& settings : in_every_storage(family)) {
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
        EXPECT_TRUE(
            same_bits(many.everything(Tokenizer::byte()), one.everything(Tokenizer::byte())));
      }
    }
  }
}

// Dropout, micro-batches and a dynamic loss scale included.
TEST(Trainer, RecomputingBlocksGivesTheSameBits) {
  for (const RunSettings& family :
       {gpt2_settings(), llama_settings(), muon_settings(), factorised_settings(),
        composite_settings(), in_backward(gpt2_settings())}) {
    for (RunSettings settings : in_every_precision(family)) {
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

// Of operations, shards and sequences, and the keys are in the plan.
TEST(Trainer, SortedTokensGiveTheSameBits) {
  using Parallel = ParallelSettings;
  for (RunSettings settings :
       {gpt2_settings(), muon_settings(), factorised_settings(), lattice_settings()}) {
    for (const auto& [mode, reduction] :
         {std::pair(Parallel::Mode::kOperation, Parallel::Reduction::kTree),
          {Parallel::Mode::kBatch, Parallel::Reduction::kTree},
          {Parallel::Mode::kBatch, Parallel::Reduction::kFixed}}) {
      settings.parallel.mode = mode;
      settings.parallel.reduction = reduction;
      settings.parallel.token_order = ops::TokenOrder::kBatch;
      TrainerRig as_they_come(settings);
      as_they_come.steps(4);
      settings.parallel.token_order = ops::TokenOrder::kSorted;
      TrainerRig sorted(settings, 3);
      sorted.steps(4);
      EXPECT_TRUE(same_bits(sorted.everything(Tokenizer::byte()),
                            as_they_come.everything(Tokenizer::byte())));
      const int64_t planned = plan_memory(sorted.model, settings, sorted.context).activations;
      EXPECT_EQ(planned, sorted.trainer.source().activation_bytes());
      EXPECT_GT(planned, as_they_come.trainer.source().activation_bytes());
    }
  }
}

TEST(Trainer, TheSeedDecidesEverything) {
  RunSettings other = gpt2_settings();
  other.train.seed = 6;
  TrainerRig a(gpt2_settings()), b(gpt2_settings()), c(other);
  EXPECT_EQ(a.steps(2).loss, b.steps(2).loss);
  EXPECT_NE(a.steps(1).loss, c.steps(3).loss);
}

// Plain SGD, because its update is linear in the gradient: what differs is rounding of sums. So it
// is in 16 bits too: each stored number belongs to one token, whatever else is in its batch, and
// the sums over tokens are fp32. (A loss scale is a power of two.)
TEST(Trainer, AccumulationEqualsALargeBatch) {
  for (const RunSettings& family : {gpt2_settings(), llama_settings()}) {
    for (RunSettings settings : in_every_storage(family)) {
      SCOPED_TRACE(storage_name(settings));
      settings.model.dropout = 0;  // masks belong to micro-steps
      settings.optimizer.kind = OptimizerSettings::Kind::kSgd;
      settings.optimizer.learning_rate = 0.5;
      settings.schedule.warmup_steps = 0;
      settings.train.batch_size = 2;
      settings.train.gradient_accumulation_steps = 4;
      TrainerRig many(settings);
      settings.train.batch_size = 8;
      settings.train.gradient_accumulation_steps = 1;
      TrainerRig large(settings);
      const std::vector<float> start = large.weights();
      const StepResult a = many.steps(1), b = large.steps(1);
      EXPECT_NEAR(a.loss / b.loss, 1, 1e-6);
      EXPECT_NEAR(a.gradient_norm / b.gradient_norm, 1, 1e-6);
      const double way = distance(large.weights(), start);
      EXPECT_GT(way, 0.1);
      EXPECT_LE(distance(many.weights(), large.weights()), 1e-6 * way);
      EXPECT_EQ(many.trainer.state().tokens, large.trainer.state().tokens);
    }
  }
}

// The same step by hand: mean gradient of the loader's batches, clipped, and one AdamW update.
TEST(Trainer, AStepIsGradientClippingUpdate) {
  RunSettings settings = gpt2_settings();
  settings.train.clip_norm = 0.3;
  TrainerRig rig(settings);
  const ParameterTable& table = rig.model.parameters();
  std::vector<float> weights = rig.weights(), gradients(weights.size()), first(weights.size()),
                     second(weights.size());
  const int64_t B = 3, T = 16;
  Session session(rig.model, rig.context, {.B = B, .T = T, .S = T, .training = true});
  BatchLoader loader(rig.dataset.all(), B, T, 5);
  std::vector<int32_t> tokens(B * T), targets(B * T);
  double loss = 0;
  for (uint64_t micro = 0; micro < 2; ++micro) {
    loader.next(tokens.data(), targets.data());
    loss += session.forward_backward({tokens.data(), targets.data(), B, T}, weights.data(),
                                     1.0f / (2 * B * T), {5, micro}, gradients.data());
  }
  std::vector<double> partials(static_cast<size_t>(optim::norm_partials(table.arena_floats())));
  const double norm =
      optim::gradient_norm(rig.context, table.arena_floats(), gradients.data(), partials.data());
  std::vector<optim::ParameterSpan> spans;
  for (const Parameter& parameter : table.all())
    spans.push_back({parameter.offset, parameter.count, parameter.shape.size() == 2});
  const double rate = 1e-2 / 3;  // the first of two warm-up steps
  optim::adamw_step(rig.context, {0.9, 0.99, 1e-8, 0.1}, spans, 1, rate,
                    optim::clip_scale(norm, 0.3), gradients.data(), weights.data(), first.data(),
                    second.data());

  const StepResult result = rig.trainer.step();
  EXPECT_GT(norm, 0.3) << "nothing was clipped";
  EXPECT_EQ(result.gradient_norm, norm);
  EXPECT_EQ(result.learning_rate, rate);
  EXPECT_EQ(result.loss, loss / (2 * B * T));
  EXPECT_TRUE(same_bits(rig.weights(), weights));
}

TEST(Trainer, CountsStepsAndTokens) {
  TrainerRig rig(gpt2_settings());
  EXPECT_EQ(rig.trainer.tokens_per_step(), 2 * 3 * 16);
  rig.steps(3);
  EXPECT_EQ(rig.trainer.state().step, 3);
  EXPECT_EQ(rig.trainer.state().micro_steps, 6);
  EXPECT_EQ(rig.trainer.state().tokens, 3 * 2 * 3 * 16);
}

// It proves that two trainings saw the same text in the same order: not more text, not another
// seed.
TEST(Trainer, HashesTheDataHoweverAStepIsCut) {
  const auto hash_of = [](int64_t batch, int64_t accumulated, int64_t seed, int steps) {
    RunSettings settings = gpt2_settings();
    settings.train.batch_size = batch;
    settings.train.gradient_accumulation_steps = accumulated;
    settings.train.seed = seed;
    TrainerRig rig(settings);
    rig.steps(steps);
    return rig.trainer.state().data_hash;
  };
  const uint64_t hash = hash_of(6, 1, 5, 2);
  EXPECT_EQ(hash_of(2, 3, 5, 2), hash);
  EXPECT_EQ(hash_of(3, 2, 5, 2), hash);
  EXPECT_EQ(hash_of(3, 1, 5, 4), hash);
  EXPECT_NE(hash_of(6, 1, 5, 1), hash);
  EXPECT_NE(hash_of(6, 1, 6, 2), hash);

  RunSettings settings = gpt2_settings();
  settings.train.batch_size = 6;
  settings.train.gradient_accumulation_steps = 1;
  TrainerRig first(settings), second(settings);
  first.steps(1);
  second.trainer.restore(first.trainer.state());
  second.steps(1);
  EXPECT_EQ(second.trainer.state().data_hash, hash) << "resumed";
}

TEST(Trainer, LearnsARepeatingText) {
  RunSettings settings = gpt2_settings();
  settings.model.dropout = 0;
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
  EXPECT_NEAR(trainer.step().loss, std::log(257.0), 0.3) << "an untrained model knows nothing";
  double loss = 0;
  for (int i = 1; i < 60; ++i)
    loss = trainer.step().loss;
  EXPECT_LT(loss, 0.5);
}

TEST(Trainer, TakesTheMemoryThatWasPlanned) {
  RunSettings sgd = gpt2_settings();
  sgd.optimizer.kind = OptimizerSettings::Kind::kSgd;
  const RunSettings by_ranges = in_backward(gpt2_settings());
  std::vector<RunSettings> all = in_every_storage(gpt2_settings());
  all.insert(all.end(), {sgd, muon_settings(), by_ranges, factorised_settings(),
                         composite_settings(), residual_settings()});
  for (const RunSettings& settings : all) {
    SCOPED_TRACE(storage_name(settings));
    TrainerRig rig(settings);
    const MemoryPlan plan = plan_memory(rig.model, settings, rig.context);
    const int64_t arena = 4 * rig.model.parameters().arena_floats();
    EXPECT_EQ(plan.weights, arena);
    EXPECT_EQ(plan.gradients, rig.trainer.gradient_bytes());
    if (settings.updates_in_backward()) {
      EXPECT_EQ(plan.gradients, 4 * GradientWindow(rig.model).floats());
      EXPECT_LT(plan.gradients, arena);
    } else {
      EXPECT_EQ(plan.gradients, arena);
    }
    EXPECT_EQ(plan.average, settings.train.ema_decay > 0 ? arena : 0);
    EXPECT_EQ(plan.moments, rig.trainer.updater().moment_bytes());
    EXPECT_EQ(plan.update_scratch, rig.trainer.updater().scratch_bytes());
    EXPECT_EQ(plan.activations, rig.trainer.source().activation_bytes());
    EXPECT_EQ(plan.total(), plan.weights + plan.gradients + plan.moments + plan.activations +
                                plan.average + plan.update_scratch + plan.sampling + plan.prior);
    EXPECT_EQ(plan.prior, settings.model.prior_order > 0 ? rig.model.prior()->bytes() : 0);
    EXPECT_EQ(plan.prior > 0, settings.model.prior_order > 0);
  }
}

TEST(Trainer, SamplesArePlannedWhereThereAreAny) {
  RunSettings settings = llama_settings();
  TrainerRig rig(settings);
  // Keys and values of 2 layers, 16 positions, 2 of 4 heads of 6, and the activations.
  EXPECT_GT(plan_memory(rig.model, settings, rig.context).sampling, 2 * 4 * 2 * 16 * 2 * 6);
  settings.sample.every = 0;
  EXPECT_EQ(plan_memory(rig.model, settings, rig.context).sampling, 0);
}

TEST(Trainer, NamesTheParameterThatIsNotANumber) {
  for (const RunSettings& settings : {gpt2_settings(), llama_settings()}) {
    for (const char* name : {"embedding.token", "blocks.1.attention.qkv.weight",
                             "blocks.0.mlp.down.weight", "final_norm.gain"}) {
      TrainerRig rig(settings);
      rig.steps(1);
      rig.trainer.weights()[rig.model.parameters().find(name)->offset] = NAN;
      const std::string message = divergence_of(rig);
      EXPECT_THAT(message, HasSubstr(std::string("parameter ") + name));
      EXPECT_THAT(message, HasSubstr("step 2"));
    }
  }
}

// Finite weights whose product is not: the first tensor that shows it is named.
TEST(Trainer, NamesTheActivationThatOverflowed) {
  struct Case {
    RunSettings settings;
    const char* parameter;
    const char* activation;
  };
  RunSettings uncapped = llama_settings();
  uncapped.model.logit_softcap = 0;
  for (const Case& bad :
       {Case{gpt2_settings(), "blocks.1.mlp.up.weight", "blocks.1.mlp.hidden"},
        Case{llama_settings(), "blocks.1.mlp.up.weight", "blocks.1.mlp.hidden"},
        Case{llama_settings(), "blocks.0.attention.k_norm.gain", "blocks.0.attention.qk"},
        Case{uncapped, "head.weight", "logits"}}) {
    TrainerRig rig(bad.settings);
    const Parameter& parameter = *rig.model.parameters().find(bad.parameter);
    for (int64_t i = 0; i < parameter.count; ++i)
      rig.trainer.weights()[parameter.offset + i] = 3e38f;
    const std::string message = divergence_of(rig);
    EXPECT_THAT(message, HasSubstr(std::string("activation ") + bad.activation + " is not finite"));
    EXPECT_THAT(message, Not(HasSubstr("-nan")));
  }
}

// Finite losses, but the head's weights make gradients overflow.
TEST(Trainer, NamesTheGradientThatOverflowed) {
  TrainerRig rig(settings_without_limits());
  enlarge_gradient(rig, 1e38f);
  EXPECT_THAT(divergence_of(rig), HasSubstr("gradient of final_norm.gain is not finite"));
}

TEST(Trainer, AHugeLearningRateStopsBeforeTheUpdate) {
  RunSettings settings = gpt2_settings();
  settings.optimizer.kind = OptimizerSettings::Kind::kSgd;
  settings.optimizer.learning_rate = 1e30;
  settings.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
  settings.schedule.warmup_steps = 0;
  TrainerRig rig(settings);
  rig.steps(1);
  EXPECT_THAT(divergence_of(rig), HasSubstr("is not finite"));
}

// The bad batch is found also where it is not the last of the step: token 7 is only in some
// windows.
TEST(Trainer, FindsTheBatchThatDiverged) {
  RunSettings settings = gpt2_settings();
  settings.model.dropout = 0;
  settings.model.tied_head = false;
  settings.train.batch_size = 1;
  settings.train.gradient_accumulation_steps = 8;
  const Transformer model(settings.model);
  std::vector<Token> tokens(16 * 9 + 1, 3);
  tokens[40] = 7;
  const TokenDataset dataset = TokenDataset::from_tokens(tokens, 257);
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  Trainer trainer(model, context, settings, dataset.all());
  trainer.initialise();
  float* row = trainer.weights() + model.token_table().offset + 7 * settings.model.width;
  for (int64_t c = 0; c < settings.model.width; ++c)
    row[c] = c % 2 == 0 ? 1e38f : -1e38f;  // its variance overflows
  std::string message;
  try {
    trainer.step();
  } catch (const Error& error) {
    message = error.what();
  }
  EXPECT_THAT(message, HasSubstr("activation blocks.0."));
}

TEST(Trainer, FirstNonfiniteFindsNothingInAHealthyModel) {
  TrainerRig rig(gpt2_settings());
  std::vector<float> gradients(static_cast<size_t>(rig.model.parameters().arena_floats()));
  const std::vector<int32_t> tokens = testing::random_tokens(3 * 16, 257, 1);
  EXPECT_EQ(rig.trainer.source().first_nonfinite({{tokens.data(), tokens.data(), 3, 16}, {}},
                                                 rig.trainer.weights(), gradients.data()),
            "");
}

}  // namespace
}  // namespace cllm
