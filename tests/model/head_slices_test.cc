// Logits exist for a slice of rows at a time (model/head_rows.h): what a plan is spared by that,
// and that the slices of a batch add up to its loss and gradient.
#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "model/head_rows.h"
#include "model/session.h"
#include "model_test_files.h"

namespace cllm {
namespace {

using ops::Storage;
using testing::random_tokens;

constexpr int64_t kVocabulary = 50257;
constexpr int64_t kT = 100;

// Tied and not, in every form, and beside a prior.
std::vector<ModelConfig> plans_of_heads() {
  ModelConfig tied = small_gpt2();
  tied.context_length = 1024;
  tied.layers = 1;
  tied.heads = 4;
  tied.width = 64;
  ModelConfig own = tied, factorised = tied, composite = tied, residual = tied;
  own.tied_head = false;
  factorised.embedding = nn::EmbeddingKind::kFactorised;
  factorised.embedding_width = 16;
  composite.embedding = nn::EmbeddingKind::kComposite;
  composite.embedding_primes = 40;
  composite.embedding_dense_rows = 8;
  residual.prior_order = 3;
  return {tied, own, factorised, composite, residual};
}

int64_t planned_bytes(ModelConfig config, int64_t vocabulary, const nn::PlanShape& shape) {
  config.vocabulary_size = vocabulary;
  const Transformer model(config, testing::test_codes(config));
  ThreadPool pool(2);
  return static_cast<int64_t>(sizeof(float)) *
         Session::plan_only(model, {pool, kernels::chosen_table()}, shape).arena_floats();
}

// A slice of logits, twice as much for a prior in fp32 beside logits in 16 bits, and what products
// pack.
TEST(HeadSlices, ABatchOfGpt2sSizeNeedsASmallPartOfItsLogits) {
  for (const Storage storage : {Storage::kFp32, Storage::kBf16, Storage::kFp16})
    for (const ModelConfig& config : plans_of_heads()) {
      SCOPED_TRACE(settings_of(config));
      const nn::PlanShape shape{.B = 8, .T = 1024, .S = 1024, .training = true, .storage = storage};
      const int64_t all = shape.rows() * kVocabulary * static_cast<int64_t>(sizeof(float));
      const int64_t more =
          planned_bytes(config, kVocabulary, shape) - planned_bytes(config, 64, shape);
      EXPECT_LT(more, all / 6);
      EXPECT_GT(more, kLogitBytes / 2) << "the head is not in the plan";
    }
}

// A small trunk below a large vocabulary.
ModelConfig large_vocabulary() {
  ModelConfig config = small_gpt2();
  config.vocabulary_size = kVocabulary;
  config.context_length = kT;
  config.layers = 1;
  config.heads = 2;
  config.width = 8;
  return config;
}

struct Trained {
  double loss = 0;
  std::vector<float> losses;      // of the rows
  std::vector<double> gradients;  // of their mean
};

// The tokens of `all`, so many sequences at a time.
Trained train(const Transformer& model, const Arena& weights, const Batch& all, int64_t at_once,
              Storage storage) {
  ThreadPool pool(4);
  const ops::Context context{pool, kernels::chosen_table()};
  Session session(model, context,
                  {.B = at_once, .T = all.T, .S = all.T, .training = true, .storage = storage});
  Arena gradients(weights.floats(), "a test");
  Trained result;
  result.gradients.resize(static_cast<size_t>(weights.floats()));
  for (int64_t b = 0; b < all.B; b += at_once) {
    session.clear_gradients(gradients.data());
    result.loss += session.forward_backward(
        {all.tokens + b * all.T, all.targets + b * all.T, at_once, all.T}, weights.data(),
        1.0f / static_cast<float>(all.B * all.T), {}, gradients.data());
    result.losses.insert(result.losses.end(), session.losses().begin(), session.losses().end());
    for (size_t i = 0; i < result.gradients.size(); ++i)
      result.gradients[i] += static_cast<double>(gradients.data()[i]);
  }
  return result;
}

double length_of(std::span<const double> x) {
  double sum = 0;
  for (const double value : x)
    sum += value * value;
  return std::sqrt(sum);
}

// What is stored belongs to one row, whatever else is in its batch; sums over rows are of the same
// terms in another order. Terms of either sign are added with some sqrt(N) roundings of the sum's
// size, of which eight times as many are allowed; a part of the whole gradient stands in for those
// of its parts that are zero but for rounding.
void expect_same_training(const Transformer& model, const Trained& whole, const Trained& parts) {
  EXPECT_NEAR(whole.loss / parts.loss, 1, 1e-6);
  EXPECT_TRUE(testing::all_close(whole.losses, parts.losses, 0, 1e-6));
  const double tolerance = 8 * std::sqrt(static_cast<double>(whole.losses.size())) * testing::kUnit;
  const double least = 0.01 * length_of(parts.gradients);
  EXPECT_GT(least, 0);
  for (const Parameter& parameter : model.parameters().all()) {
    const auto first = static_cast<size_t>(parameter.offset);
    const auto count = static_cast<size_t>(parameter.count);
    std::vector<double> difference(count);
    for (size_t i = 0; i < count; ++i)
      difference[i] = whole.gradients[first + i] - parts.gradients[first + i];
    EXPECT_LE(length_of(difference),
              tolerance * (length_of(std::span(parts.gradients).subspan(first, count)) + least))
        << parameter.name;
  }
}

// Two whole slices and a smaller one against sequences that are a slice each.
TEST(HeadSlices, AddUpToTheirSequences) {
  ModelConfig own = large_vocabulary(), factorised = large_vocabulary();
  own.tied_head = false;
  factorised.embedding = nn::EmbeddingKind::kFactorised;
  factorised.embedding_width = 4;
  for (const ModelConfig& config : {large_vocabulary(), own, factorised}) {
    const Transformer model(config);
    const Arena weights = random_weights(model);
    for (const Storage storage : {Storage::kFp32, Storage::kBf16}) {
      SCOPED_TRACE(settings_of(config) + (storage == Storage::kFp32 ? "fp32" : "bf16"));
      const auto slice = [&](int64_t sequences) {
        return head_rows(model,
                         {.B = sequences, .T = kT, .S = kT, .training = true, .storage = storage});
      };
      const int64_t B = 2 * slice(int64_t{1} << 20) / kT + 1, N = B * kT;
      ASSERT_EQ((N - 1) / slice(B), 2) << "three slices";
      ASSERT_NE(N % slice(B), 0) << "the last one is smaller";
      ASSERT_EQ(slice(1), kT) << "a sequence is one";
      const auto rows = static_cast<size_t>(N);
      const std::vector<int32_t> tokens = random_tokens(rows, static_cast<int32_t>(kVocabulary), 1);
      std::vector<int32_t> targets = random_tokens(rows, static_cast<int32_t>(kVocabulary), 2);
      targets[5] = targets[rows - 7] = -1;
      const Batch all{tokens.data(), targets.data(), B, kT};
      expect_same_training(model, train(model, weights, all, B, storage),
                           train(model, weights, all, 1, storage));
    }
  }
}

}  // namespace
}  // namespace cllm
