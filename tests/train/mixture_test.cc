#include "train/mixture.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "testing.h"

namespace cllm {
namespace {

// Losses of two predictors that are each better on some tokens.
std::vector<float> losses(uint64_t seed) {
  std::vector<float> losses;
  for (const float x : testing::random_vector(1000, seed))
    losses.push_back(1.5f + x);
  return losses;
}

TEST(Mixture, TheBestWeightIsBetterThanItsNeighbours) {
  const std::vector<float> a = losses(1), b = losses(2);
  const double best = best_mixture_weight(a, b), loss = mixture_loss(best, a, b);
  EXPECT_GT(best, 0.1);
  EXPECT_LT(best, 0.9);
  for (const double weight : {0.0, best - 0.01, best + 0.01, 1.0})
    EXPECT_GT(mixture_loss(weight, a, b), loss) << weight;
  EXPECT_NEAR(best_mixture_weight(b, a), 1 - best, 2e-6);
}

TEST(Mixture, IsTheLogOfTheMixedProbabilities) {
  const std::vector<float> a = {0.5f, 2.0f}, b = {1.0f, 3.0f};
  double expected = 0;
  for (const size_t i : {0, 1})
    expected -= std::log(0.3 * std::exp(-static_cast<double>(a[i])) +
                         0.7 * std::exp(-static_cast<double>(b[i])));
  EXPECT_NEAR(mixture_loss(0.3, a, b), expected, 1e-12);
}

TEST(Mixture, OnePredictorThatIsAlwaysBetterTakesAll) {
  const std::vector<float> a = losses(3);
  std::vector<float> worse = a;
  for (float& loss : worse)
    loss += 0.1f;
  EXPECT_NEAR(best_mixture_weight(a, worse), 1, 2e-6);
  EXPECT_NEAR(best_mixture_weight(worse, a), 0, 2e-6);
}

// What no float of a probability could hold.
TEST(Mixture, HugeLossesStayFinite) {
  const std::vector<float> a = {1000, 2000, 5, 1e6f}, b = {2000, 1000, 1e6f, 5};
  const Mixture mixture = mix(a, b);
  EXPECT_TRUE(std::isfinite(mixture.loss));
  EXPECT_NEAR(mixture_loss(0.5, a, b), 2010 + 4 * std::log(2.0), 1e-9);
}

// The first half knows only that a is right, the second that b is.
TEST(Mixture, NoTokenIsPredictedWithAWeightThatHasSeenIt) {
  const std::vector<float> a = {1, 1, 9, 9}, b = {9, 9, 1, 1};
  const Mixture mixture = mix(a, b);
  EXPECT_NEAR(mixture.weights[0], 0, 2e-6);
  EXPECT_NEAR(mixture.weights[1], 1, 2e-6);
  EXPECT_NEAR(mixture.loss, 36, 1e-2) << "each half is predicted as the other wants it";
}

}  // namespace
}  // namespace cllm
