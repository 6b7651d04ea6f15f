#include "model/packed_weights.h"

#include <gtest/gtest.h>

#include "model/session.h"
#include "testing.h"

namespace cllm {
namespace {

struct Rig {
  Rig() : weights(model.parameters().arena_floats(), "a test") {
    model.initialise(pool, 1, weights.data());
    tokens = testing::random_tokens(static_cast<size_t>(kB * kT), 7, 1);
  }
  static ModelConfig config() {
    ModelConfig config;
    config.vocabulary_size = 7;
    config.context_length = kT;
    config.layers = 2;
    config.heads = 2;
    config.width = 8;
    return config;
  }
  // Loss and gradients of one pass.
  std::vector<float> pass(Session& session) {
    std::vector<float> all(static_cast<size_t>(weights.floats()) + 1);
    all.back() = static_cast<float>(session.forward_backward({tokens.data(), tokens.data(), kB, kT},
                                                             weights.data(), 0.1f, {}, all.data()));
    return all;
  }

  static constexpr int64_t kB = 2, kT = 8;
  static constexpr nn::PlanShape kShape{.B = kB, .T = kT, .S = kT, .training = true};
  ThreadPool pool{2};
  ops::Context context{pool, kernels::chosen_table()};
  Transformer model{config()};
  Arena weights;
  std::vector<int32_t> tokens;
};

TEST(PackedWeights, SharedOnesGiveTheBitsOfASessionsOwn) {
  Rig rig;
  PackedWeights shared(rig.model, rig.context, ops::Storage::kFp32);
  Session own(rig.model, rig.context, Rig::kShape);
  Session first(rig.model, rig.context, Rig::kShape, &shared);
  Session second(rig.model, rig.context, Rig::kShape, &shared);
  for (const float change : {1.0f, 1.5f}) {
    for (int64_t i = 0; i < rig.weights.floats(); ++i)
      rig.weights.data()[i] *= change;
    const std::vector<float> wanted = rig.pass(own);
    EXPECT_NE(wanted[0], 0);
    const HeldWeights held(shared, rig.weights.data());
    EXPECT_TRUE(testing::same_bits(rig.pass(first), wanted));
    EXPECT_TRUE(testing::same_bits(rig.pass(second), wanted));
  }
}

TEST(PackedWeights, TakeTheMemoryThatWasPlanned) {
  Rig rig;
  const int64_t packed = PackedWeights::planned_bytes(rig.model, rig.context, ops::Storage::kFp32);
  PackedWeights shared(rig.model, rig.context, ops::Storage::kFp32);
  EXPECT_GT(packed, 2 * 4 * 2 * 12 * 8 * 8) << "two layers of 12 C^2, for both directions";
  EXPECT_EQ(shared.bytes(), packed);
  const Session own(rig.model, rig.context, Rig::kShape);
  const Session borrower(rig.model, rig.context, Rig::kShape, &shared);
  EXPECT_EQ(own.bytes(), Session::planned_bytes(rig.model, rig.context, Rig::kShape));
  EXPECT_EQ(own.bytes() - borrower.bytes(), packed);
}

// Several threads use them; none may pack.
TEST(PackedWeightsDeathTest, SharedOnesMustBeHeld) {
  Rig rig;
  PackedWeights shared(rig.model, rig.context, ops::Storage::kFp32);
  Session session(rig.model, rig.context, Rig::kShape, &shared);
  EXPECT_DEATH(rig.pass(session), "holds");
}

}  // namespace
}  // namespace cllm
