// The prior in a Session: added after the cap, in fp32 whatever the storage, with the right history
// and the right token left out, in training, evaluation and generation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "model/model_folder.h"
#include "model/session.h"
#include "model_test_files.h"
#include "reference/cross_entropy.h"
#include "temporary_folder.h"
#include "testing_bounds.h"
#include "testing_codes.h"

namespace cllm {
namespace {

using namespace ::cllm::testing;
using ::testing::HasSubstr;

constexpr int64_t kB = 3, kT = 9;

// Normalised numbers that depend on the last two tokens, on whether there are two, and on what is
// left out.
class TestPrior : public LogitPrior {
 public:
  explicit TestPrior(int64_t V) : V_(V) {}
  int64_t vocabulary_size() const override { return V_; }
  int64_t bytes() const override { return 0; }
  void save(const fs::path& folder) const override { write_file(folder / "prior", "saved"); }
  void log_probabilities(std::span<const int32_t> history, int32_t left_out,
                         float* out) const override {
    const int64_t last = history.back(), before = history.size() > 1 ? history.rbegin()[1] : 1000;
    double sum = 0;
    for (const bool second : {false, true})
      for (int64_t v = 0; v < V_; ++v) {
        const double x = 3 * std::sin(static_cast<double>(v * (last + 2) + 7 * before)) -
                         (v == left_out ? 4 : 0);
        if (second) out[v] = static_cast<float>(x - std::log(sum));
        if (!second) sum += std::exp(x);
      }
  }

 private:
  int64_t V_;
};

ModelConfig with_prior(ModelConfig config) {
  config.prior_order = 3;
  config.dropout = 0;
  config.ngram_dropout = 0;
  return config;
}

// The same weights without and with the prior.
struct Rig {
  explicit Rig(const ModelConfig& config)
      : prior(std::make_shared<const TestPrior>(config.vocabulary_size)),
        model(with_prior(config), testing::test_codes(config), prior),
        weights(random_weights(model)),
        tokens(random_tokens(kB * kT, 257, 3)),
        targets(random_tokens(kB * kT, 257, 4)) {
    ModelConfig bare = with_prior(config);
    bare.prior_order = 0;
    plain = std::make_unique<const Transformer>(bare, testing::test_codes(config));
    targets[5] = -1;
  }
  Batch batch() const { return {tokens.data(), targets.data(), kB, kT}; }
  // [N, V], with what is left out if that is wanted.
  std::vector<float> added(bool leaves_out) const {
    std::vector<float> rows(static_cast<size_t>(kB * kT * 257));
    for (int64_t n = 0; n < kB * kT; ++n) {
      const int64_t begin = n / kT * kT;
      prior->log_probabilities({tokens.data() + begin, static_cast<size_t>(n - begin + 1)},
                               leaves_out ? targets[static_cast<size_t>(n)] : LogitPrior::kNothing,
                               rows.data() + n * 257);
    }
    return rows;
  }
  double sum_of_losses(const std::vector<float>& logits, const std::vector<float>& more) const {
    double sum = 0;
    for (const double loss :
         reference::cross_entropy(257, 0.0, targets, widen(logits), widen(more)))
      sum += loss;
    return sum;
  }

  std::shared_ptr<const TestPrior> prior;
  Transformer model;
  std::unique_ptr<const Transformer> plain;
  Arena weights;
  std::vector<int32_t> tokens, targets;
};

std::vector<float> logits_of(const Transformer& model, const ops::Context& context,
                             const float* weights, const std::vector<int32_t>& tokens) {
  Session session(model, context, {.B = 1, .T = kT, .S = kT});
  std::vector<float> all;
  for (size_t b = 0; b < kB; ++b) {
    std::vector<float> rows(static_cast<size_t>(kT * 257));
    session.logits(std::span(tokens).subspan(b * kT, kT), weights, rows.data());
    all.insert(all.end(), rows.begin(), rows.end());
  }
  return all;
}

TEST(Prior, IsAddedToTheCappedLogits) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const ModelConfig& config : small_models()) {
    const Rig rig(config);
    const auto bare = logits_of(*rig.plain, context, rig.weights.data(), rig.tokens);
    const auto got = logits_of(rig.model, context, rig.weights.data(), rig.tokens);
    std::vector<float> expected = rig.added(false);
    for (size_t i = 0; i < bare.size(); ++i)
      expected[i] = bare[i] + expected[i];
    EXPECT_TRUE(same_bits(got, expected));
  }
}

// Evaluation predicts with the whole prior, training without the target's own occurrence.
TEST(Prior, OnlyTrainingLeavesTheTargetOut) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const ModelConfig& config : small_models()) {
    const Rig rig(config);
    const auto bare = logits_of(*rig.plain, context, rig.weights.data(), rig.tokens);
    Session session(rig.model, context, {.B = kB, .T = kT, .S = kT, .training = true});
    Arena gradients(rig.weights.floats(), "a test");
    session.clear_gradients(gradients.data());
    const double whole = rig.sum_of_losses(bare, rig.added(false));
    const double left_out = rig.sum_of_losses(bare, rig.added(true));
    EXPECT_GT(std::abs(whole - left_out), 1);
    EXPECT_NEAR(session.evaluate(rig.batch(), rig.weights.data()) / whole, 1, 1e-5);
    EXPECT_NEAR(session.forward_backward(rig.batch(), rig.weights.data(), 1, {}, gradients.data()) /
                    left_out,
                1, 1e-5);
    EXPECT_EQ(session.losses()[5], 0) << "no target";
  }
}

// A network that says nothing leaves the prior, of which 16 bits would keep 3 digits.
TEST(Prior, IsNotRoundedToTheStorage) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  const Rig rig(small_llama());
  Arena nothing(rig.weights.floats(), "a test"), gradients(rig.weights.floats(), "a test");
  std::fill_n(nothing.data(), nothing.floats(), 0.0f);
  const std::vector<float> zeros(rig.added(true).size(), 0.0f);
  const double expected = rig.sum_of_losses(zeros, rig.added(true));
  for (const auto storage : {ops::Storage::kFp32, ops::Storage::kBf16, ops::Storage::kFp16}) {
    Session session(rig.model, context,
                    {.B = kB, .T = kT, .S = kT, .training = true, .storage = storage});
    session.clear_gradients(gradients.data());
    const double loss =
        session.forward_backward(rig.batch(), nothing.data(), 1, {}, gradients.data());
    EXPECT_NEAR(loss / expected, 1, 1e-5) << "bf16 would be off by 1e-3";
  }
}

TEST(Prior, GivesTheSameBitsForAnyNumberOfThreads) {
  const Rig rig(small_own());
  for (const auto storage : {ops::Storage::kFp32, ops::Storage::kBf16, ops::Storage::kFp16})
    expect_same_bits_for_threads([&](const ops::Context& context) {
      Session session(rig.model, context,
                      {.B = kB, .T = kT, .S = kT, .training = true, .storage = storage});
      std::vector<float> gradients(static_cast<size_t>(rig.weights.floats()));
      session.forward_backward(rig.batch(), rig.weights.data(), 1, {}, gradients.data());
      gradients.insert(gradients.end(), session.losses().begin(), session.losses().end());
      return gradients;
    });
}

// A vocabulary for which the rows are cut into slices.
TEST(Prior, EverySliceOfRowsHasItsOwn) {
  ModelConfig config = small_gpt2();
  config.vocabulary_size = 1 << 16;
  config.layers = 1;
  config.width = 4;
  config.heads = 1;
  config.context_length = 150;
  config.prior_order = 2;
  const auto prior = std::make_shared<const TestPrior>(config.vocabulary_size);
  const Transformer model(config, nullptr, prior);
  Arena nothing(model.parameters().arena_floats(), "a test");
  std::fill_n(nothing.data(), nothing.floats(), 0.0f);
  ThreadPool pool(4);
  const ops::Context context{pool, kernels::chosen_table()};
  Session session(model, context, {.B = 2, .T = 150, .S = 150});
  const auto tokens = random_tokens(300, 1000, 1);
  const std::vector<int32_t> targets(300, 77);
  session.evaluate({tokens.data(), targets.data(), 2, 150}, nothing.data());
  std::vector<float> row(static_cast<size_t>(config.vocabulary_size));
  for (const size_t n : {0, 149, 150, 255, 256, 257, 299}) {
    const size_t begin = n / 150 * 150;
    prior->log_probabilities(std::span(tokens).subspan(begin, n + 1 - begin), LogitPrior::kNothing,
                             row.data());
    EXPECT_NEAR(session.losses()[n], -row[77], 1e-4) << "row " << n;
  }
}

// Chunks, single tokens and several sequences at once give what the whole text gives.
TEST(Prior, GenerationSeesTheSequenceSoFar) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const ModelConfig& config : small_models()) {
    const Rig rig(config);
    const auto full = logits_of(rig.model, context, rig.weights.data(), rig.tokens);
    Session session(rig.model, context, {.B = 1, .T = 16, .S = config.context_length});
    const int64_t row = config.kv_head_count() * config.head_width();
    const int64_t floats = config.layers * config.context_length * row;
    Arena memory(2 * kB * floats, "a test");
    std::vector<nn::KvCache> caches(kB);
    for (size_t b = 0; b < kB; ++b) {
      caches[b].keys = memory.data() + 2 * static_cast<int64_t>(b) * floats;
      caches[b].values = caches[b].keys + floats;
      caches[b].row_stride = row;
      caches[b].capacity = config.context_length;
      caches[b].layer_stride = row * config.context_length;
    }
    const DecodeWeights weights(rig.model, rig.weights.data());
    const auto expect_row = [&](std::span<const float> got, size_t b, size_t t) {
      const auto first = full.begin() + static_cast<std::ptrdiff_t>((b * kT + t) * 257);
      const std::vector<float> expected(first, first + 257);
      EXPECT_TRUE(all_close(std::vector<float>(got.begin(), got.end()), widen(expected),
                            1e-5 * largest(expected), 0))
          << "sequence " << b << " after " << t + 1;
    };
    for (size_t b = 0; b < kB; ++b)
      expect_row(session.extend(std::span(rig.tokens).subspan(b * kT, 4), weights, {&caches[b], 1}),
                 b, 3);
    for (size_t t = 4; t < kT; ++t) {
      std::vector<int32_t> next;
      for (size_t b = 0; b < kB; ++b)
        next.push_back(rig.tokens[b * kT + t]);
      const auto got = session.extend(next, weights, caches);
      for (size_t b = 0; b < kB; ++b)
        expect_row(got.subspan(b * 257, 257), b, t);
    }
  }
}

using PriorDeathTest = TemporaryFolder;

TEST_F(PriorDeathTest, AModelWithoutItsPriorIsOnlyADescription) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  const Transformer model(with_prior(small_gpt2()));
  const nn::PlanShape shape{.B = 1, .T = 4, .S = 4};
  EXPECT_GT(Session::plan_only(model, context, shape).arena_floats(), 0);
  EXPECT_DEATH(Session(model, context, shape), "prior_order=3");
  EXPECT_DEATH(Transformer(with_prior(small_gpt2()), nullptr, std::make_shared<TestPrior>(9)),
               "V=257");
}

TEST_F(PriorDeathTest, TravelsWithTheModel) {
  const Rig rig(small_gpt2());
  save_model(folder_, rig.model, rig.weights.data(), Tokenizer::byte());
  EXPECT_EQ(read_file(folder_ / "prior"), "saved");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_); }), HasSubstr("prior"));
  const auto prior = std::make_shared<const TestPrior>(257);
  const LoadedModel loaded =
      load_model(folder_, {}, [&](const fs::path& folder, const ModelConfig& config) {
        EXPECT_EQ(folder, folder_);
        EXPECT_EQ(config.prior_order, 3);
        return prior;
      });
  EXPECT_EQ(loaded.model->prior(), prior.get());
}

}  // namespace
}  // namespace cllm
