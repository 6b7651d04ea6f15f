// Several prompts decoded together: each must get the text that it gets alone.
#include <gtest/gtest.h>

#include <algorithm>

#include "model/generator.h"
#include "model_test_files.h"

namespace cllm {
namespace {

using ops::WeightType;

constexpr WeightType kTypes[] = {WeightType::kFp32, WeightType::kBf16, WeightType::kInt8};

// Of all lengths: none, one token, some, as long as the context of 24, longer than a chunk of rows
// that are multiplied as few.
const std::vector<std::string> kPrompts = {"One day",
                                           "",
                                           "x",
                                           "abcdefghijklmnopqrstuvwx",
                                           "The cat sat on the mat and then it ran away",
                                           "abc",
                                           "",
                                           "Once upon a time"};

GenerationOptions options(int64_t tokens) {
  GenerationOptions options;
  options.max_tokens = tokens;
  options.sampling = {.temperature = 1.5, .top_k = 0, .top_p = 1, .min_p = 0};
  options.sampling.seed = 3;
  return options;
}

// A model of random weights, which says something else after every prompt.
struct Problem {
  explicit Problem(const ModelConfig& config, int threads = 2)
      : pool(threads), model(config, testing::test_codes(config)) {}

  Generator generator(WeightType type, int64_t batch) {
    return {model, context, DecodeWeights(model, context, type, random_weights(model)), batch};
  }
  std::vector<Generation> together(WeightType type, int64_t batch,
                                   const std::vector<std::string>& prompts,
                                   const GenerationOptions& options) {
    shown.assign(prompts.size(), "");
    return generator(type, batch)
        .generate(Tokenizer::byte(), prompts, options, [&](size_t index, std::string_view text) {
          shown.at(index) += text;
          return true;
        });
  }
  Generation alone(WeightType type, const std::string& prompt, const GenerationOptions& options) {
    return generator(type, 1).generate(Tokenizer::byte(), prompt, options,
                                       [](std::string_view) { return true; });
  }

  ThreadPool pool;
  ops::Context context{pool, kernels::chosen_table()};
  Transformer model;
  std::vector<std::string> shown;
};

TEST(GeneratorBatch, EveryPromptGetsWhatItGetsAlone) {
  for (const ModelConfig& config : small_models())
    for (const WeightType type : kTypes) {
      Problem problem(config);
      // Beyond the context: the later half is read again, at a different time for each.
      const GenerationOptions wanted = options(40);
      std::vector<Generation> expected;
      for (const std::string& prompt : kPrompts)
        expected.push_back(problem.alone(type, prompt, wanted));
      EXPECT_NE(expected[0].text, expected[2].text) << "what is compared must differ";
      for (const int64_t batch : {1, 3, 16}) {
        const auto got = problem.together(type, batch, kPrompts, wanted);
        ASSERT_EQ(got.size(), kPrompts.size());
        for (size_t i = 0; i < got.size(); ++i) {
          EXPECT_EQ(got[i].text, expected[i].text) << "batch " << batch << ", prompt " << i;
          EXPECT_EQ(got[i].text, problem.shown[i]);
          EXPECT_EQ(got[i].reason, expected[i].reason);
          EXPECT_EQ(got[i].tokens, expected[i].tokens);
          EXPECT_EQ(got[i].prompt_tokens, expected[i].prompt_tokens);
        }
      }
    }
}

TEST(GeneratorBatch, ThreadsDoNotMatter) {
  for (const WeightType type : kTypes) {
    Problem one(small_own(), 1), three(small_own(), 3);
    const auto a = one.together(type, 4, kPrompts, options(30));
    const auto b = three.together(type, 4, kPrompts, options(30));
    for (size_t i = 0; i < a.size(); ++i)
      EXPECT_EQ(a[i].text, b[i].text);
  }
}

// Each ends for its own reason and makes room for the next.
TEST(GeneratorBatch, EndsEachForItsOwnReason) {
  Problem problem(small_llama());
  GenerationOptions wanted = options(25);
  const std::string text = problem.alone(WeightType::kFp32, kPrompts[0], wanted).text;
  wanted.stop = {text.substr(text.size() / 2, 3)};
  const auto got = problem.together(WeightType::kFp32, 2, kPrompts, wanted);
  EXPECT_EQ(got[0].reason, StopReason::kStopString);
  EXPECT_EQ(got[0].text, text.substr(0, text.find(wanted.stop[0])));
  for (size_t i = 1; i < got.size(); ++i) {
    const Generation expected = problem.alone(WeightType::kFp32, kPrompts[i], wanted);
    EXPECT_EQ(got[i].text, expected.text);
    EXPECT_EQ(got[i].reason, expected.reason);
  }
}

TEST(GeneratorBatch, ASinkThatRefusesEndsAll) {
  Problem problem(small_gpt2());
  Generator generator = problem.generator(WeightType::kBf16, 2);
  std::vector<size_t> heard;
  const auto got = generator.generate(Tokenizer::byte(), kPrompts, options(1000),
                                      [&](size_t index, std::string_view) {
                                        heard.push_back(index);
                                        return heard.size() < 20;
                                      });
  ASSERT_EQ(got.size(), kPrompts.size());
  for (const Generation& one : got)
    EXPECT_EQ(one.reason, StopReason::kInterrupted);
  EXPECT_FALSE(got[0].text.empty());
  EXPECT_EQ(got.back().text, "") << "never begun";
  EXPECT_LE(heard.size(), 22u) << "at most what the others held back";
  // The generator is as good as new.
  const auto again = generator.generate(Tokenizer::byte(), kPrompts, options(5),
                                        [](size_t, std::string_view) { return true; });
  EXPECT_EQ(again[3].text, problem.alone(WeightType::kBf16, kPrompts[3], options(5)).text);
}

// In the order of the prompts, without waiting for the last one.
TEST(GeneratorBatch, TellsWhatIsFinished) {
  Problem problem(small_gpt2());
  Generator generator = problem.generator(WeightType::kFp32, 3);
  std::vector<size_t> counts;
  std::vector<std::string> texts;
  const auto results = generator.generate(
      Tokenizer::byte(), kPrompts, options(6), [](size_t, std::string_view) { return true; },
      [&](std::span<const Generation> finished) {
        counts.push_back(finished.size());
        for (const Generation& one : finished.subspan(texts.size()))
          texts.push_back(one.text);
      });
  EXPECT_TRUE(std::ranges::is_sorted(counts));
  EXPECT_LE(counts.front(), 3u);
  EXPECT_EQ(counts.back(), kPrompts.size());
  for (size_t i = 0; i < results.size(); ++i)
    EXPECT_EQ(texts.at(i), results[i].text);
}

TEST(GeneratorBatch, NoPromptsAreNoTexts) {
  Problem problem(small_gpt2());
  EXPECT_TRUE(problem.together(WeightType::kFp32, 3, {}, options(5)).empty());
}

// Caches and activations grow with the batch, and with nothing else.
TEST(GeneratorBatch, PlansItsCaches) {
  Problem problem(small_llama());
  const ModelConfig& config = problem.model.config();
  const auto bytes = [&](int64_t batch) {
    return Generator::plan_bytes(problem.model, problem.context, WeightType::kFp32, batch);
  };
  const int64_t cache =
      4 * 2 * config.layers * config.context_length * config.kv_head_count() * config.head_width();
  EXPECT_EQ(bytes(9) - bytes(1), 8 * cache);
}

}  // namespace
}  // namespace cllm
