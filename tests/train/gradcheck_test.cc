#include "train/gradcheck.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "testing_tables.h"
#include "trainer_rig.h"

namespace cllm {
namespace {

std::vector<ModelConfig> families() {
  ModelConfig gpt2 = gpt2_settings().model, llama = llama_settings().model;
  for (ModelConfig* config : {&gpt2, &llama}) {
    config->vocabulary_size = 23;
    config->layers = 1;
  }
  ModelConfig relu = gpt2;
  relu.dropout = 0;
  relu.mlp = nn::MlpKind::kRelu2;
  relu.zero_init_projections = true;
  ModelConfig factorised = gpt2, composite = llama;
  factorised.embedding = nn::EmbeddingKind::kFactorised;
  factorised.embedding_width = 10;
  composite.tied_head = true;
  composite.embedding = nn::EmbeddingKind::kComposite;
  composite.embedding_primes = 12;
  composite.embedding_dense_rows = 3;
  ModelConfig residual = llama;
  residual.prior_order = 3;
  ModelConfig memory = llama;
  memory.ngram_order = 3;
  memory.ngram_modulus_a = 13;
  memory.ngram_modulus_b = 7;
  memory.ngram_dropout = 0.3;  // the only dropout
  return {gpt2, llama, relu, factorised, composite, residual, memory};
}

std::string bad_rows(const GradcheckReport& report) {
  std::string text;
  for (const GradcheckRow& row : report.rows)
    if (!row.ok) text += fmt::format("{} {} {}; ", row.parameter, row.analytic, row.numeric);
  return text;
}

TEST(Gradcheck, AcceptsTheEngineForEveryTable) {
  ThreadPool pool(2);
  for (const ModelConfig& config : families()) {
    testing::for_each_table([&](const kernels::Table& table) {
      for (const uint64_t seed : {1, 2}) {
        const auto codes = testing::test_codes(config);
        const GradcheckReport report = gradcheck(config, {pool, table}, 2, 8, seed, codes);
        EXPECT_TRUE(report.ok) << bad_rows(report);
        EXPECT_EQ(report.rows.size(), 2 * Transformer(config, codes).parameters().all().size());
        EXPECT_TRUE(std::all_of(report.rows.begin(), report.rows.end(),
                                [](const GradcheckRow& row) { return row.analytic != 0; }))
            << "a part of the model was not exercised";
      }
    });
  }
}

// Each parameter's gradient made wrong in turn: a factor, a sign, one element, nothing, NaN.
TEST(Gradcheck, RejectsAWrongGradientOfAnyParameter) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const size_t family : {0, 1, 3, 4, 6}) {
    const ModelConfig config = families()[family];
    GradientChecker checker(config, context, 2, 8, 3, testing::test_codes(config));
    const std::vector<float> right = checker.gradient();
    ASSERT_TRUE(checker.check(right).ok);
    for (const Parameter& parameter : checker.model().parameters().all()) {
      const auto rejects = [&](auto spoil) {
        std::vector<float> wrong = right;
        spoil(wrong.data() + parameter.offset, wrong.data() + parameter.offset + parameter.count);
        const GradcheckReport report = checker.check(wrong);
        for (const GradcheckRow& row : report.rows)
          if (row.parameter != parameter.name && !row.ok) return false;
        return !report.ok;
      };
      const auto scale = [](float factor) {
        return [factor](float* begin, float* end) {
          std::transform(begin, end, begin, [factor](float x) { return factor * x; });
        };
      };
      EXPECT_TRUE(rejects(scale(1.03f))) << parameter.name;
      EXPECT_TRUE(rejects(scale(-1))) << parameter.name;
      EXPECT_TRUE(rejects(scale(0))) << parameter.name;
      EXPECT_TRUE(rejects([](float* begin, float* end) {
        float& largest = *std::max_element(
            begin, end, [](float a, float b) { return std::abs(a) < std::abs(b); });
        largest = -largest;
      })) << parameter.name;
      EXPECT_TRUE(rejects([](float* begin, float*) { *begin = NAN; })) << parameter.name;
    }
  }
}

// One token attends to itself alone: no query and no key matters, and the truth is zero.
TEST(Gradcheck, AcceptsAZeroGradient) {
  ThreadPool pool(1);
  ModelConfig config = families()[1];
  config.qk_norm = true;
  const GradcheckReport report = gradcheck(config, {pool, kernels::chosen_table()}, 3, 1, 1);
  EXPECT_TRUE(report.ok) << bad_rows(report);
  EXPECT_TRUE(std::any_of(report.rows.begin(), report.rows.end(),
                          [](const GradcheckRow& row) { return std::abs(row.analytic) < 1e-6; }));
}

TEST(Gradcheck, LeavesTheWeightsAsTheyWere) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  GradientChecker checker(families()[0], context, 2, 8, 3);
  const std::vector<float> before = checker.gradient();
  checker.check(before);
  EXPECT_TRUE(testing::same_bits(checker.gradient(), before));
}

TEST(Gradcheck, MoreTokensThanTheContextAreAnError) {
  ThreadPool pool(1);
  EXPECT_THROW(gradcheck(families()[0], {pool, kernels::chosen_table()}, 2, 17, 3), Error);
}

}  // namespace
}  // namespace cllm
