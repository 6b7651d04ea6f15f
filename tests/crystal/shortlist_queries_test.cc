#include "crystal/shortlist_queries.h"

#include <gtest/gtest.h>

#include "crystal/shortlist_recall.h"
#include "model/engine.h"

namespace cllm {
namespace {

ModelConfig tiny_config() {
  ModelConfig config;
  config.vocabulary_size = 50;
  config.context_length = 8;
  config.layers = 1;
  config.width = 16;
  config.heads = 2;
  return config;
}

class ShortlistQueries : public ::testing::Test {
 protected:
  void SetUp() override {
    model_.initialise(engine_.context().pool, 1, weights_.data());
    for (int i = 0; i < 40; ++i)
      text_.push_back(i * 7 % 50);
  }
  HeadQueries make(int64_t wanted) {
    return make_head_queries(model_, weights_.data(), text_, wanted, engine_.context(), [] {});
  }

  Engine engine_{2};
  Transformer model_{tiny_config()};
  Arena weights_{model_.parameters().arena_floats(), "the weights"};
  std::vector<int32_t> text_;
};

TEST_F(ShortlistQueries, AreHiddenStatesOfTheText) {
  const HeadQueries queries = make(20);
  ASSERT_EQ(queries.tokens.size(), 20u);
  EXPECT_EQ(queries.hidden.size(), 20u * 16);
  const DecodeWeights weights(model_, weights_.data());
  QueriedHead head(model_, engine_.context(), weights, 50, queries);
  // The first window's only row of 20 over 20 windows is its last: logits() of the same tokens.
  Session session(model_, engine_.context(), {.B = 1, .T = 8, .S = 8});
  std::vector<float> expected(8 * 50);
  session.logits(std::span(text_).first(8), weights_.data(), expected.data());
  EXPECT_EQ(queries.tokens[0], text_[7]);
  const std::span<float> logits = head.logits(0);
  ASSERT_EQ(logits.size(), 50u);
  for (size_t v = 0; v < 50; ++v)  // sums of 16 products of numbers around 0.1, in another order
    EXPECT_NEAR(logits[v], expected[7 * 50 + v], 1e-5) << v;
}

TEST_F(ShortlistQueries, RecallOfAllIsOneAndOfNoneZero) {
  const HeadQueries queries = make(10);
  const DecodeWeights weights(model_, weights_.data());
  QueriedHead head(model_, engine_.context(), weights, 50, queries);
  const auto likeliest = likeliest_of_queries(head);
  ASSERT_EQ(likeliest.size(), 10u);
  EXPECT_EQ(likeliest[0].size(), 40u);
  const auto all = mean_recalls(likeliest, [](size_t) { return first_candidates(50, 50); });
  EXPECT_NEAR(all[0], 1, 1e-12);
  EXPECT_NEAR(all[1], 1, 1e-12);
  const auto none = mean_recalls(likeliest, [](size_t) { return std::vector<int32_t>(); });
  EXPECT_EQ(none[0], 0);
  EXPECT_EQ(none[1], 0);
  // Only the likeliest token: all of the first, one of forty.
  const auto best = mean_recalls(
      likeliest, [&](size_t query) { return std::vector<int32_t>{likeliest[query][0]}; });
  EXPECT_NEAR(best[0], 1, 1e-12);
  EXPECT_NEAR(best[1], 1.0 / 40, 1e-12);
}

}  // namespace
}  // namespace cllm
