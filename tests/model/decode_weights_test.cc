#include "model/decode_weights.h"

#include <gtest/gtest.h>

#include <cmath>

#include "model/session.h"
#include "model_test_files.h"
#include "testing_bounds.h"
#include "testing_storage.h"

namespace cllm {
namespace {

using namespace ::cllm::testing;
using ops::WeightType;

constexpr WeightType kConverted[] = {WeightType::kBf16, WeightType::kInt8};

// A key/value cache with its memory.
struct Cache {
  explicit Cache(const ModelConfig& config) {
    cache.row_stride = config.kv_head_count() * config.head_width();
    cache.capacity = config.context_length;
    cache.layer_stride = cache.capacity * cache.row_stride;
    memory = Arena(2 * config.layers * cache.layer_stride, "a test");
    cache.keys = memory.data();
    cache.values = memory.data() + config.layers * cache.layer_stride;
  }
  Arena memory;
  nn::KvCache cache;
};

// The parameters that generation with `weights` sees, as fp32.
Arena seen(const Transformer& model, const ops::Context& context, const DecodeWeights& weights) {
  Arena values(model.parameters().arena_floats(), "a test");
  for (const Parameter& parameter : model.parameters().all())
    if (parameter.is_matrix())
      ops::expand(context, weights.matrix(parameter), values.data() + parameter.offset);
    else
      std::copy_n(weights.values() + parameter.offset, parameter.count,
                  values.data() + parameter.offset);
  return values;
}

TEST(DecodeWeights, ReadsFp32InPlace) {
  const Transformer model(small_gpt2());
  Arena weights = random_weights(model);
  const DecodeWeights in_place(model, weights.data());
  EXPECT_EQ(in_place.type(), WeightType::kFp32);
  EXPECT_EQ(in_place.values(), weights.data());
  const Parameter& table = model.token_table();
  EXPECT_EQ(in_place.matrix(table).data, weights.data() + table.offset);
  EXPECT_EQ(in_place.matrix(table).out, 257);
  EXPECT_EQ(in_place.matrix(table).in, 24);
}

// Every parameter is there, matrices rounded and the others as they were.
TEST(DecodeWeights, ConvertsEveryMatrixAndNothingElse) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    const std::vector<float> before = values_of(random_weights(model));
    for (const WeightType type : kConverted) {
      const DecodeWeights weights(model, context, type, random_weights(model));
      const Arena values = seen(model, context, weights);
      for (const Parameter& parameter : model.parameters().all()) {
        const auto first = static_cast<size_t>(parameter.offset);
        const auto count = static_cast<size_t>(parameter.count);
        const auto width =
            parameter.is_matrix() ? count / static_cast<size_t>(parameter.shape[0]) : count;
        for (size_t i = first; i < first + count; ++i) {
          const double old = before[i], now = values.data()[i];
          double allowed = 0;
          if (parameter.is_matrix() && type == WeightType::kBf16) {
            allowed = std::abs(old) * StorageFormat<kernels::Bf16>::kUnit;
          } else if (parameter.is_matrix()) {  // half of a 127th of the row's largest
            const auto row =
                before.begin() + static_cast<ptrdiff_t>((i - first) / width * width + first);
            allowed = largest(std::vector<float>(row, row + static_cast<ptrdiff_t>(width))) *
                      (0.5 / 127 + 2 * kUnit);
          }
          ASSERT_TRUE(std::abs(now - old) <= allowed) << parameter.name << " " << i;
        }
      }
    }
  }
}

TEST(DecodeWeights, TakeTheMemoryThatIsPlanned) {
  const Transformer model(small_gpt2());
  int64_t numbers = 0, rows = 0, matrices = 0;
  for (const Parameter& parameter : model.parameters().all()) {
    if (!parameter.is_matrix()) continue;
    numbers += parameter.count;
    rows += parameter.shape[0];
    ++matrices;
  }
  EXPECT_EQ(DecodeWeights::plan_bytes(model, WeightType::kFp32), 0);
  // Each part begins on a cache line.
  const int64_t bf16 = DecodeWeights::plan_bytes(model, WeightType::kBf16);
  EXPECT_GE(bf16, 2 * numbers);
  EXPECT_LT(bf16, 2 * numbers + 64 * matrices);
  const int64_t int8 = DecodeWeights::plan_bytes(model, WeightType::kInt8);
  EXPECT_GE(int8, numbers + 4 * rows);
  EXPECT_LT(int8, numbers + 4 * rows + 128 * matrices);
}

// Reading a text in chunks, through the products of training and those of few rows, gives the
// logits that fp32 gives with the same, rounded weights.
TEST(DecodeWeights, GiveTheLogitsOfTheWeightsThatTheyHold) {
  constexpr int64_t kT = 23;
  for (const ModelConfig& config : small_models())
    for_each_table([&](const kernels::Table& table) {
      ThreadPool pool(2);
      const ops::Context context{pool, table};
      const Transformer model(config, testing::test_codes(config));
      const auto V = static_cast<size_t>(config.vocabulary_size);
      const std::vector<int32_t> tokens = random_tokens(kT, 257, 4);
      for (const WeightType type : kConverted) {
        const DecodeWeights weights(model, context, type, random_weights(model));
        Session whole(model, context, {.B = 1, .T = kT, .S = kT});
        std::vector<float> expected(kT * V);
        whole.logits(tokens, seen(model, context, weights).data(), expected.data());
        Session session(model, context,
                        {.B = 1, .T = 20, .S = config.context_length, .weights = type});
        Cache cache(config);
        size_t at = 0;
        for (const size_t chunk : {size_t{1}, size_t{17}, size_t{4}, size_t{1}}) {
          const std::span<float> got = session.extend(std::span(tokens).subspan(at, chunk), weights,
                                                      std::span(&cache.cache, 1));
          at += chunk;
          const auto row = expected.begin() + static_cast<ptrdiff_t>((at - 1) * V);
          const std::vector<float> logits(row, row + static_cast<ptrdiff_t>(V));
          // Two orders of summation in fp32; measured 1e-6 of the largest logit.
          EXPECT_TRUE(all_close(std::vector<float>(got.begin(), got.end()), widen(logits),
                                1e-5 * largest(logits), 0))
              << "type " << static_cast<int>(type) << " after " << at << " tokens";
        }
      }
    });
}

TEST(DecodeWeights, MustBeThoseOfThePlan) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  const Transformer model(small_gpt2());
  const DecodeWeights weights(model, context, WeightType::kInt8, random_weights(model));
  Session session(model, context, {.B = 1, .T = 4, .S = 24, .weights = WeightType::kBf16});
  Cache cache(model.config());
  const std::vector<int32_t> tokens = {1};
  EXPECT_DEATH(session.extend(tokens, weights, std::span(&cache.cache, 1)), "weights.type");
}

}  // namespace
}  // namespace cllm
