#include "train/exact_parallel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "train/evaluation.h"
#include "trainer_rig.h"

namespace cllm {
namespace {

using ::cllm::testing::same_bits;
using ::testing::HasSubstr;
using Reduction = ParallelSettings::Reduction;

RunSettings exactly(RunSettings settings, Reduction reduction, int64_t shards = 4) {
  settings.parallel.mode = ParallelSettings::Mode::kBatch;
  settings.parallel.reduction = reduction;
  settings.parallel.shards = shards;
  return settings;
}

std::string reduction_name(const RunSettings& settings) {
  constexpr const char* kNames[] = {"tree", "fixed", "super"};
  return fmt::format("{}, {}", kNames[static_cast<int>(settings.parallel.reduction)],
                     storage_name(settings));
}

// A step of 12 sequences.
RunSettings split(RunSettings settings, int64_t batch_size) {
  settings.train.batch_size = batch_size;
  settings.train.gradient_accumulation_steps = 12 / batch_size;
  return settings;
}

// Dropout, tables of n-grams, Muon and a dynamic loss scale with steps that it skips among them.
std::vector<RunSettings> everything_exactly() {
  std::vector<RunSettings> all;
  for (const Reduction reduction : {Reduction::kFixed, Reduction::kSuper})
    for (const RunSettings& family : {gpt2_settings(), llama_settings(), muon_settings()})
      for (const RunSettings& settings : in_every_precision(exactly(family, reduction)))
        all.push_back(settings);
  return all;
}

// How a step of 12 sequences is computed.
struct Way {
  int64_t batch_size, shards;
  int threads;
};

// As one sequence after the other by one thread.
void expect_same_bits(const RunSettings& settings, const std::vector<Way>& ways) {
  SCOPED_TRACE(reduction_name(settings));
  TrainerRig one(split(settings, 1), 1);
  const std::vector<float> start = one.weights();
  const StepResult result = one.steps(4);
  EXPECT_GT(distance(one.weights(), start), 0.1) << "nothing was learnt";
  for (const Way& way : ways) {
    SCOPED_TRACE(
        fmt::format("batch {}, {} shards, {} threads", way.batch_size, way.shards, way.threads));
    RunSettings other = split(settings, way.batch_size);
    other.parallel.shards = way.shards;
    TrainerRig rig(other, way.threads);
    const StepResult same = rig.steps(4);
    EXPECT_EQ(same.loss, result.loss);
    EXPECT_EQ(same.gradient_norm, result.gradient_norm);
    EXPECT_TRUE(same_bits(rig.everything(Tokenizer::byte()), one.everything(Tokenizer::byte())));
    EXPECT_TRUE(rig.trainer.state() == one.trainer.state()) << "what a checkpoint says";
  }
}

TEST(ExactParallel, SameBitsForAnySplitThreadsAndShards) {
  for (const RunSettings& settings : everything_exactly())
    expect_same_bits(settings,
                     {{12, 4, 2}, {4, 4, 3}, {3, 1, 2}, {2, 5, 4}, {12, 16, 4}, {1, 3, 4}});
}

// Fewer ways, since sums know nothing of what they add.
TEST(ExactParallel, SameBitsForAnyEmbeddingAndWithAPrior) {
  const std::vector<RunSettings> all = {factorised_settings(), composite_settings(),
                                        lattice_settings(), residual_settings()};
  for (size_t i = 0; i < all.size(); ++i) {
    SCOPED_TRACE(i);
    for (const Reduction reduction : {Reduction::kFixed, Reduction::kSuper})
      expect_same_bits(exactly(all[i], reduction), {{12, 4, 3}, {3, 1, 2}});
  }
}

TEST(ExactParallel, ATreeDependsOnTheSplit) {
  for (RunSettings settings : in_every_precision(exactly(llama_settings(), Reduction::kTree))) {
    TrainerRig one(split(settings, 1)), twelve(split(settings, 12));
    one.steps(4);
    twelve.steps(4);
    EXPECT_FALSE(same_bits(one.weights(), twelve.weights())) << "what the other tests look for";
  }
}

TEST(ExactParallel, RecomputingBlocksGivesTheSameBits) {
  for (RunSettings settings : everything_exactly()) {
    SCOPED_TRACE(reduction_name(settings));
    TrainerRig kept(settings);
    kept.steps(3);
    settings.train.recompute = nn::Recompute::kBlock;
    TrainerRig again(settings, 3);
    again.steps(3);
    EXPECT_TRUE(same_bits(again.everything(Tokenizer::byte()), kept.everything(Tokenizer::byte())));
    EXPECT_TRUE(again.trainer.state() == kept.trainer.state());
  }
}

// By hand: each sequence in a Session of its own, with the masks of its number, summed in double,
// which is off by less than 6 roundings of the sum of magnitudes. Two digits leave out 2^-40 of a
// block's largest, which is below 1 here.
TEST(ExactParallel, IsTheSumOfItsSequences) {
  for (const RunSettings& settings : everything_exactly()) {
    SCOPED_TRACE(reduction_name(settings));
    TrainerRig rig(settings);
    constexpr int64_t kT = 16;
    const std::vector<int32_t> tokens = testing::random_tokens(2 * 3 * kT + 1, 257, 3);
    const auto floats = static_cast<size_t>(rig.model.parameters().arena_floats());
    std::vector<double> sums(floats), magnitudes(floats);
    Session session(rig.model, rig.context,
                    {.B = 1,
                     .T = kT,
                     .S = kT,
                     .training = true,
                     .storage = settings.precision.storage(),
                     .recompute = settings.train.recompute});
    double losses = 0;
    for (uint64_t sequence = 0; sequence < 6; ++sequence) {
      std::vector<float> gradients(floats);
      const int32_t* first = tokens.data() + sequence * kT;
      losses += session.forward_backward({first, first + 1, 1, kT}, rig.trainer.weights(), 0.01f,
                                         {7, 30 + sequence}, gradients.data());
      for (size_t i = 0; i < floats; ++i) {
        sums[i] += static_cast<double>(gradients[i]);
        magnitudes[i] += std::abs(static_cast<double>(gradients[i]));
      }
    }
    uint64_t next = 0;
    std::vector<float> gradients(floats, 1.0f);
    const double loss = rig.trainer.source().accumulate(
        2,
        [&] {
          const int32_t* first = tokens.data() + 3 * kT * next;
          return MicroBatch{{first, first + 1, 3, kT}, {7, 30 + 3 * next++}};
        },
        rig.trainer.weights(), 0.01f, gradients.data());
    EXPECT_EQ(loss, losses);
    const double left_out = settings.parallel.reduction == Reduction::kFixed ? 6 * 0x1p-40 : 0;
    for (size_t i = 0; i < floats; ++i)
      ASSERT_LE(std::abs(static_cast<double>(gradients[i]) - sums[i]),
                testing::kUnit * std::abs(sums[i]) + 6 * 0x1p-52 * magnitudes[i] + left_out)
          << i;
  }
}

// Plain SGD, because its update is linear in the gradient: what differs is rounding of sums.
TEST(ExactParallel, LearnsWhatOperationParallelLearns) {
  for (const RunSettings& family : {gpt2_settings(), llama_settings()}) {
    for (RunSettings settings : in_every_storage(family)) {
      settings.model.dropout = 0;  // masks belong to sequences
      settings.optimizer.kind = OptimizerSettings::Kind::kSgd;
      settings.optimizer.learning_rate = 0.5;
      settings.schedule.warmup_steps = 0;
      TrainerRig whole(settings);
      const std::vector<float> start = whole.weights();
      const StepResult wanted = whole.steps(1);
      const double way = distance(whole.weights(), start);
      EXPECT_GT(way, 0.1);
      for (const Reduction reduction : {Reduction::kFixed, Reduction::kSuper}) {
        TrainerRig rig(exactly(settings, reduction));
        SCOPED_TRACE(reduction_name(rig.settings));
        const StepResult result = rig.steps(1);
        EXPECT_NEAR(result.loss / wanted.loss, 1, 1e-6);
        EXPECT_NEAR(result.gradient_norm / wanted.gradient_norm, 1, 1e-6);
        EXPECT_LE(distance(rig.weights(), whole.weights()), 1e-6 * way);
      }
    }
  }
}

// Batches of one size whatever the training's, and the last one is part empty.
TEST(ExactParallel, EvaluatesTheSameWindowsForAnySplit) {
  const std::vector<int32_t> bytes(257, 1);
  const RunSettings settings = exactly(gpt2_settings(), Reduction::kFixed);
  const auto evaluation = [&](TrainerRig& rig, int64_t limit) {
    const EvalWindows windows(rig.dataset.view(0, 16 * 40 + 5),
                              rig.trainer.source().evaluation_batch(), 16);
    return evaluate(rig.trainer.source(), rig.trainer.weights(), windows, limit, bytes);
  };
  TrainerRig one(split(settings, 1)), twelve(split(settings, 12), 3), whole(gpt2_settings());
  for (const int64_t limit : {0, 20}) {
    const Evaluation a = evaluation(one, limit), b = evaluation(twelve, limit);
    EXPECT_EQ(a.tokens, b.tokens);
    EXPECT_EQ(a.loss, b.loss);
  }
  EXPECT_NEAR(evaluation(one, 0).loss / evaluation(whole, 0).loss, 1, 1e-6);
}

TEST(ExactParallel, TakesTheMemoryThatWasPlanned) {
  for (const int64_t shards : {1, 2, 8}) {
    for (const Reduction reduction : {Reduction::kFixed, Reduction::kSuper}) {
      for (const RunSettings& settings :
           in_every_storage(exactly(gpt2_settings(), reduction, shards))) {
        TrainerRig rig(settings);
        const MemoryPlan plan = plan_memory(rig.model, settings, rig.context);
        const int64_t floats = rig.model.parameters().arena_floats();
        const int digits = reduction == Reduction::kFixed ? 2 : 7;
        EXPECT_EQ(plan.gradients, rig.trainer.gradient_bytes());
        EXPECT_EQ(plan.gradients, 4 * floats * std::min<int64_t>(shards, 6) +
                                      optim::ExactSum::planned_bytes(floats, digits));
        EXPECT_EQ(plan.activations, rig.trainer.source().activation_bytes());
      }
    }
  }
}

TEST(ExactParallel, NamesWhatDiverges) {
  for (const Reduction reduction : {Reduction::kFixed, Reduction::kSuper}) {
    TrainerRig parameter(exactly(llama_settings(), reduction));
    parameter.trainer.weights()[parameter.model.parameters().find("final_norm.gain")->offset] = NAN;
    EXPECT_THAT(divergence_of(parameter), HasSubstr("parameter final_norm.gain"));
    TrainerRig gradient(exactly(settings_without_limits(), reduction));
    enlarge_gradient(gradient, 1e38f);
    EXPECT_THAT(divergence_of(gradient), HasSubstr("gradient of final_norm.gain is not finite"));
  }
}

// The first scale of fp16 is too large for these gradients; which steps are skipped does not depend
// on the split either.
TEST(ExactParallel, SkipsTheSameStepsForAnySplit) {
  RunSettings settings = exactly(settings_without_limits(), Reduction::kFixed);
  settings.precision.mode = PrecisionSettings::Mode::kFp16;
  std::vector<StepResult> first;
  for (const int64_t batch_size : {1, 4, 12}) {
    TrainerRig rig(split(settings, batch_size));
    enlarge_gradient(rig, 1e4f);
    std::vector<StepResult> results;
    for (int i = 0; i < 16; ++i)
      results.push_back(rig.trainer.step());
    EXPECT_GT(rig.trainer.state().loss_scale.skipped_steps, 0);
    EXPECT_LT(rig.trainer.state().loss_scale.skipped_steps, 16);
    if (first.empty()) first = results;
    for (size_t i = 0; i < results.size(); ++i) {
      EXPECT_EQ(results[i].skipped, first[i].skipped);
      EXPECT_EQ(results[i].loss, first[i].loss);
      EXPECT_EQ(results[i].loss_scale, first[i].loss_scale);
    }
  }
}

}  // namespace
}  // namespace cllm
