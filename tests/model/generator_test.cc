#include "model/generator.h"

#include <gtest/gtest.h>

#include "model_test_files.h"
#include "text/utf8.h"

namespace cllm {
namespace {

// A model that always says the same bytes: token i is followed by the next byte of the script, with
// all its weights zero but an embedding and a head that are a lookup table.
struct Speaker {
  // successor[token] = what it says after that token.
  explicit Speaker(const std::vector<int32_t>& successor, int64_t context = 24)
      : model(config_of(context)),
        weights(model.parameters().arena_floats(), "a test"),
        generator(model, ops_context, weights.data()) {
    const int64_t C = model.config().width;
    float* embedding = weights.data() + model.token_table().offset;
    float* head = weights.data() + model.parameters().find("head.weight")->offset;
    float* gain = weights.data() + model.parameters().find("final_norm.gain")->offset;
    for (int64_t token = 0; token < 257; ++token)
      embedding[token * C + token] = 1;
    for (size_t token = 0; token < successor.size(); ++token)
      head[successor[token] * C + static_cast<int64_t>(token)] = 1;
    for (int64_t c = 0; c < C; ++c)
      gain[c] = 1;
  }

  static ModelConfig config_of(int64_t context) {
    ModelConfig config = small_llama();
    config.context_length = context;
    config.layers = 1;
    config.width = 258;
    config.heads = config.kv_heads = 1;
    config.head_size = 2;
    config.mlp_width = 2;
    return config;
  }

  Generation say(const std::string& prompt, int64_t tokens, std::vector<std::string> stop = {}) {
    GenerationOptions options;
    options.max_tokens = tokens;
    options.stop = std::move(stop);
    options.sampling.temperature = 0;
    pieces.clear();
    return generator.generate(Tokenizer::byte(), prompt, options, [&](std::string_view text) {
      pieces.emplace_back(text);
      return true;
    });
  }
  std::string shown() const {
    std::string text;
    for (const std::string& piece : pieces)
      text += piece;
    return text;
  }

  ThreadPool pool{1};
  ops::Context ops_context{pool, kernels::chosen_table()};
  Transformer model;
  Arena weights;
  Generator generator;
  std::vector<std::string> pieces;
};

// Each byte of the loop is followed by the next; everything else by the first.
std::vector<int32_t> loop(const std::string& text) {
  std::vector<int32_t> successor(257, static_cast<unsigned char>(text[0]));
  for (size_t i = 0; i < text.size(); ++i)
    successor[static_cast<unsigned char>(text[i])] =
        static_cast<unsigned char>(text[(i + 1) % text.size()]);
  return successor;
}

TEST(Generator, SaysWhatTheModelSays) {
  Speaker speaker(loop("abcdef"));
  const Generation result = speaker.say("ab", 7);
  EXPECT_EQ(result.text, "cdefabc");
  EXPECT_EQ(speaker.shown(), result.text);
  EXPECT_EQ(result.reason, StopReason::kLength);
  EXPECT_EQ(result.prompt_tokens, 2);
  EXPECT_EQ(result.tokens, 7);
}

TEST(Generator, GoesOnWhenTheContextIsFull) {
  for (const int64_t context : {1, 2, 3, 24}) {
    Speaker speaker(loop("abcdef"), context);
    std::string expected;
    for (size_t i = 0; i < 100; ++i)
      expected += "abcdef"[(i + 1) % 6];
    EXPECT_EQ(speaker.say("a", 100).text, expected) << context;
    EXPECT_EQ(speaker.say(std::string(1000, 'x') + "c", 3).text, "def") << "a long prompt";
  }
}

TEST(Generator, AnEmptyPromptStartsFromTheEndOfText) {
  std::vector<int32_t> successor = loop("abc");
  successor[256] = 'b';
  Speaker speaker(successor);
  const Generation result = speaker.say("", 3);
  EXPECT_EQ(result.text, "bca");
  EXPECT_EQ(result.prompt_tokens, 1);
}

TEST(Generator, StopsAtTheEndOfText) {
  std::vector<int32_t> successor = loop("abc");
  successor['c'] = 256;
  Speaker speaker(successor);
  const Generation result = speaker.say("a", 50);
  EXPECT_EQ(result.text, "bc");
  EXPECT_EQ(result.reason, StopReason::kEndToken);
}

TEST(Generator, StopStringsAcrossTokensAreNeverShown) {
  Speaker speaker(loop("abcdef"));
  Generation result = speaker.say("a", 50, {"xyz", "efa"});
  EXPECT_EQ(result.text, "bcd");
  EXPECT_EQ(speaker.shown(), "bcd");
  EXPECT_EQ(result.reason, StopReason::kStopString);
  EXPECT_EQ(speaker.say("a", 50, {"b"}).text, "");
  // Begins like a stop string to the end of the budget: what was held back is text.
  result = speaker.say("a", 4, {"defX", ""});
  EXPECT_EQ(result.text, "bcde");
  EXPECT_EQ(speaker.shown(), "bcde");
  EXPECT_EQ(result.reason, StopReason::kLength);
}

TEST(Generator, NeverSplitsACharacter) {
  const std::string text = "a\xC3\xA9\xE2\x82\xAC";  // aé€, all bytes different
  Speaker speaker(loop(text));
  const Generation result = speaker.say("a", 11);
  EXPECT_EQ(result.text,
            "\xC3\xA9\xE2\x82\xAC"
            "a\xC3\xA9\xE2\x82\xAC");
  for (const std::string& piece : speaker.pieces)
    for (size_t at = 0; at < piece.size();) {
      const Utf8Character character = decode_utf8(piece, at);
      EXPECT_EQ(character.status, Utf8Status::kValid);
      at += character.bytes;
    }
  EXPECT_EQ(speaker.say("a", 4).text, "\xC3\xA9\xEF\xBF\xBD")
      << "cut off: the replacement character";
  // The stop string begins before the character that is cut off.
  EXPECT_EQ(speaker.say("a", 4, {"\xC3\xA9\xE2\x82\xAC"}).text, "\xC3\xA9\xEF\xBF\xBD");
}

TEST(Generator, TheSinkEndsIt) {
  Speaker speaker(loop("abcdef"));
  GenerationOptions options;
  options.sampling.temperature = 0;
  int calls = 0;
  const Generation result = speaker.generator.generate(
      Tokenizer::byte(), "a", options, [&](std::string_view) { return ++calls < 3; });
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(result.reason, StopReason::kInterrupted);
  EXPECT_EQ(result.text, "bcd");
}

// Says which tokens may come, whatever the model thinks.
class Selected : public CandidateSelector {
 public:
  explicit Selected(std::vector<int32_t> tokens) : tokens_(std::move(tokens)) {}
  int64_t count() const override { return std::ssize(tokens_); }
  std::span<const int32_t> select(std::span<const float> hidden) override {
    EXPECT_EQ(hidden.size(), 258u);
    return tokens_;
  }

 private:
  std::vector<int32_t> tokens_;
};

TEST(Generator, ChoosesAmongSelectedTokens) {
  Speaker speaker(loop("abcdef"));
  const std::string text = speaker.say("ab", 30).text;
  speaker.generator.select_candidates(
      std::make_unique<Selected>(std::vector<int32_t>{'!', 'a', 'b', 'c', 'd', 'e', 'f'}));
  EXPECT_EQ(speaker.say("ab", 30).text, text);
  // The likeliest is not there: the best of the others, of which the first is said to tie.
  speaker.generator.select_candidates(
      std::make_unique<Selected>(std::vector<int32_t>{'a', 'c', 'e'}));
  EXPECT_EQ(speaker.say("ab", 3).text, "caa");
  GenerationOptions options;
  options.sampling.top_k = 4;
  EXPECT_NE(error_of(ErrorKind::kUsage,
                     [&] {
                       speaker.generator.generate(Tokenizer::byte(), "a", options,
                                                  [](std::string_view) { return true; });
                     })
                .find("shortlist of 3"),
            std::string::npos);
}

TEST(Generator, TheSeedDecidesTheText) {
  const Transformer model(small_own());
  const Arena weights = random_weights(model);
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  Generator generator(model, context, weights.data());
  const auto text = [&](int64_t seed) {
    GenerationOptions options;
    options.max_tokens = 60;
    options.sampling = {.temperature = 3, .top_k = 0, .top_p = 1, .min_p = 0};
    options.sampling.seed = seed;
    return generator
        .generate(Tokenizer::byte(), "seed", options, [](std::string_view) { return true; })
        .text;
  };
  EXPECT_EQ(text(1), text(1));
  EXPECT_NE(text(1), text(2));
}

}  // namespace
}  // namespace cllm
