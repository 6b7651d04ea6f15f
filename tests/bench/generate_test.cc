#include "bench/generate.h"

#include <gtest/gtest.h>

#include "kernels/table.h"

namespace cllm::bench {
namespace {

ModelConfig small() {
  ModelConfig config = model_preset("nano");
  config.vocabulary_size = 100;
  return config;
}

TEST(DecodeBytes, CountsTheTableOnlyWhereItIsTheHead) {
  ModelConfig config = small();
  const Transformer tied(config);
  config.tied_head = false;
  const Transformer untied(config);
  EXPECT_EQ(decode_bytes(tied, {}, 0), decode_bytes(untied, {}, 0));
  const int64_t positions = config.context_length * config.width;
  EXPECT_EQ(decode_bytes(tied, {}, 0), 4 * (tied.parameters().count() - positions));
  EXPECT_EQ(decode_bytes(tied, {}, 10) - decode_bytes(tied, {}, 0), 4 * 2 * 4 * 10 * 128);
}

TEST(DecodeBytes, CountsWeightsByTypeAndCachesBySequence) {
  const Transformer model(small());
  int64_t matrices = 0;
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.is_matrix() && &parameter != model.position_table()) matrices += parameter.count;
  const GenerateShape one{}, int8{.weights = ops::WeightType::kInt8}, three{.batch = 3};
  EXPECT_EQ(decode_bytes(model, one, 0) - decode_bytes(model, int8, 0), 3 * matrices);
  EXPECT_EQ(decode_bytes(model, three, 0), decode_bytes(model, one, 0));
  EXPECT_EQ(decode_bytes(model, three, 5) - decode_bytes(model, three, 0), 4 * 2 * 4 * 15 * 128);
}

TEST(Generation, MeasuresPrefillAndDecode) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const ops::WeightType weights : {ops::WeightType::kFp32, ops::WeightType::kInt8}) {
    Report report;
    measure_generation(context, {bench_preset("nano")},
                       {.prompt_tokens = 20, .tokens = 4, .weights = weights, .batch = 3}, 1, {},
                       report);
    ASSERT_EQ(report.results.size(), 2u);
    EXPECT_EQ(report.results[0].name, "nano prefill");
    EXPECT_EQ(report.results[1].name, "nano decode");
    for (const Result& result : report.results) {
      EXPECT_GT(result.samples.at(0), 0);
      EXPECT_GT(result.extra.at("peak_share").get<double>(), 0);
    }
    // What is said of bytes and of tokens is said of the same time.
    const Result& decode = report.results[1];
    EXPECT_EQ(decode.extra.at("sequences"), 3);
    EXPECT_NEAR(decode.extra.at("bandwidth_share").get<double>() *
                    decode.extra.at("bound_tokens/s").get<double>() / decode.samples.at(0),
                1, 1e-9);
    EXPECT_NEAR(decode.extra.at("step_bytes").get<double>() * 1e-9 * decode.samples.at(0) / 3 /
                    decode.extra.at("GB/s").get<double>(),
                1, 1e-9);
  }
}

}  // namespace
}  // namespace cllm::bench
