// The prior against the definition (tests/reference/kneser_ney.h), with and without the occurrence
// that is predicted, and its file.
#include "crystal/ngram_prior.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "base/error.h"
#include "base/philox.h"
#include "crystal/ngram_prior_file.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "model/config.h"
#include "reference/kneser_ney.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

// ln p is rounded to fp32, and stays above -16 here.
constexpr double kRounding = 16 * 0x1.0p-23;

// Few tokens, one likely after another, so that counts of 1 and of many occur.
std::vector<Token> random_text(int64_t size, int vocabulary, uint64_t seed) {
  PhiloxSequence random(Philox(seed, RandomStream::kTest), 0);
  std::vector<Token> text;
  Token last = 0;
  for (int64_t i = 0; i < size; ++i) {
    last = random.uniform() < 0.5 ? (last + 1) % vocabulary
                                  : static_cast<Token>(random.below(vocabulary));
    text.push_back(last);
  }
  return text;
}

NgramPrior prior_of(const std::vector<Token>& text, int vocabulary, int order,
                    bool leaves_out = true) {
  return {count_ngrams(text, vocabulary, order), 7, leaves_out};
}

std::vector<double> ask(const NgramPrior& prior, std::span<const Token> history, Token left_out) {
  std::vector<float> out(static_cast<size_t>(prior.vocabulary_size()), std::nanf(""));
  prior.log_probabilities(history, left_out, out.data());
  return {out.begin(), out.end()};
}

double sum_of_probabilities(const std::vector<double>& logs) {
  double sum = 0;
  for (const double log : logs)
    sum += std::exp(log);
  return sum;
}

TEST(NgramPrior, IsKneserNeyForEveryToken) {
  for (const int order : {1, 2, 3, 6, 8}) {
    const std::vector<Token> text = random_text(400, 9, 1);
    const NgramPrior prior = prior_of(text, 11, order);
    const NgramCounts counts = count_ngrams(text, 11, order);
    const KneserNey model(counts);
    for (uint64_t sample = 0; sample < 40; ++sample) {
      const std::vector<Token> history =
          sample % 2 == 0
              ? random_text(static_cast<int64_t>(sample) / 4, 9, 50 + sample)
              : std::vector<Token>(text.begin(),
                                   text.begin() + static_cast<std::ptrdiff_t>(sample * 9));
      const std::vector<double> got = ask(prior, history, LogitPrior::kNothing);
      for (Token token = 0; token < 11; ++token)
        EXPECT_NEAR(got[static_cast<size_t>(token)], model.log_probability(history, token),
                    kRounding)
            << "order " << order << " token " << token << " sample " << sample;
      EXPECT_NEAR(sum_of_probabilities(got), 1, kRounding);
    }
  }
}

// Every place of the text, the first ones included, whose n-grams are shorter.
TEST(NgramPrior, LeavesOutExactlyThePredictedOccurrence) {
  for (const int order : {1, 2, 3, 4}) {
    for (const int vocabulary : {3, 6}) {
      const std::vector<Token> text = random_text(40, vocabulary, 2);
      const NgramPrior prior = prior_of(text, vocabulary, order);
      const reference::KneserNey whole(text, vocabulary, order, 3);
      double moved = 0;
      for (size_t i = 0; i < text.size(); ++i) {
        SCOPED_TRACE(fmt::format("order {}, V {}, place {}", order, vocabulary, i));
        const std::span<const Token> history = std::span(text).first(i);
        const size_t known = std::min(i, static_cast<size_t>(order - 1));
        const std::vector<Token> context(history.end() - static_cast<std::ptrdiff_t>(known),
                                         history.end());
        const reference::KneserNey truth(text, vocabulary, order, 3, static_cast<int64_t>(i));
        const std::vector<double> got = ask(prior, history, text[i]);
        EXPECT_NEAR(sum_of_probabilities(got), 1, kRounding);
        for (Token token = 0; token < vocabulary; ++token)
          ASSERT_NEAR(got[static_cast<size_t>(token)], std::log(truth.probability(context, token)),
                      kRounding)
              << "token " << token;
        moved += std::log(whole.probability(context, text[i])) - got[static_cast<size_t>(text[i])];
      }
      EXPECT_GT(moved / static_cast<double>(text.size()), 0.02)
          << "leaving the occurrence out changed nothing";
    }
  }
}

// In a window of the text the tokens before are unknown: too much may be left out, never too
// little. (A smaller count can have a larger c - D(c) in so short a text, hence the sum of all
// places.)
TEST(NgramPrior, TheFirstTokensOfAWindowAreNotTooSure) {
  constexpr int kOrder = 4, kVocabulary = 5;
  const std::vector<Token> text = random_text(60, kVocabulary, 3);
  const NgramPrior prior = prior_of(text, kVocabulary, kOrder);
  for (size_t known = 0; known + 1 < kOrder; ++known) {
    double sure = 0, exact = 0;
    for (size_t i = kOrder; i < text.size(); ++i) {
      const std::vector<Token> context(text.begin() + static_cast<std::ptrdiff_t>(i - known),
                                       text.begin() + static_cast<std::ptrdiff_t>(i));
      const reference::KneserNey truth(text, kVocabulary, kOrder, 3, static_cast<int64_t>(i));
      const std::vector<double> got = ask(prior, context, text[i]);
      EXPECT_NEAR(sum_of_probabilities(got), 1, kRounding);
      sure += got[static_cast<size_t>(text[i])];
      exact += std::log(truth.probability(context, text[i]));
    }
    EXPECT_LT(sure, exact) << known << " tokens known";
  }
}

TEST(NgramPrior, LeavesNothingOutThatWasNotCounted) {
  const std::vector<Token> text = random_text(300, 5, 4);
  const NgramPrior own = prior_of(text, 6, 3), other = prior_of(text, 6, 3, false);
  const std::vector<Token> seen(text.begin(), text.begin() + 20);
  const Token next = text[20];
  EXPECT_NE(ask(own, seen, next), ask(own, seen, LogitPrior::kNothing));
  EXPECT_EQ(ask(other, seen, next), ask(own, seen, LogitPrior::kNothing)) << "of another text";
  EXPECT_EQ(ask(own, seen, 5), ask(own, seen, LogitPrior::kNothing)) << "a token without counts";
  const std::vector<Token> unseen = {1, 5};
  EXPECT_EQ(ask(own, unseen, 1), ask(own, unseen, LogitPrior::kNothing));
}

// Every token once: without its occurrence nothing speaks for it.
TEST(NgramPrior, AnOnlyOccurrenceLeavesNothingBehind) {
  std::vector<Token> text;
  for (Token token = 0; token < 20; ++token)
    text.push_back(token);
  const NgramPrior prior = prior_of(text, 21, 3);
  const std::vector<double> got = ask(prior, std::span(text).first(10), 10);
  EXPECT_NEAR(got[10], got[20], kRounding) << "a token that the text does not have";
  EXPECT_LT(got[10], got[9] - 0.5);
  EXPECT_NEAR(sum_of_probabilities(got), 1, kRounding);
  const NgramPrior single = prior_of({0}, 3, 2);
  EXPECT_NEAR(ask(single, {}, 0)[0], -std::log(3.0), kRounding) << "nothing is left at all";
}

class NgramPriorFile : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    prior_of(text_, 9, 4).save(folder_);
    config_.vocabulary_size = 9;
    config_.prior_order = 4;
  }
  std::string refusal() {
    try {
      read_prior_file(folder_, config_);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
    return "";
  }
  // Writes the file again with one number of a tensor changed, or without the tensor.
  void rewrite(const std::string& name, size_t index, uint32_t value, bool drop = false) {
    prior_of(text_, 9, 4).save(folder_);
    const SafetensorsFile file(folder_ / kPriorFile);
    std::vector<std::vector<char>> copies;
    SafetensorsWriter writer;
    for (const StoredTensor& tensor : file.tensors()) {
      const char* bytes = reinterpret_cast<const char*>(tensor.data);
      std::vector<char>& copy = copies.emplace_back(bytes, bytes + tensor.bytes);
      if (tensor.name == name) {
        if (drop) continue;
        std::memcpy(copy.data() + 4 * index, &value, 4);
      }
      writer.add(tensor.name, tensor.dtype, tensor.shape,
                 [&copies, n = copies.size() - 1](size_t first, std::span<std::byte> to) {
                   std::memcpy(to.data(), copies[n].data() + first, to.size());
                 });
    }
    writer.write(folder_ / "new");
    fs::rename(folder_ / "new", folder_ / kPriorFile);
  }

  const std::vector<Token> text_ = random_text(500, 9, 5);
  ModelConfig config_;
};

TEST_F(NgramPriorFile, KeepsEveryBit) {
  const NgramPrior before = prior_of(text_, 9, 4);
  StoredPrior stored = read_prior_file(folder_, config_);
  EXPECT_EQ(stored.text_hash, 7u);
  const NgramPrior after(std::move(stored.counts), stored.text_hash, true);
  EXPECT_EQ(after.bytes(), before.bytes());
  for (size_t i = 0; i < text_.size(); i += 7)
    for (const Token left_out : {LogitPrior::kNothing, text_[i]})
      EXPECT_EQ(ask(after, std::span(text_).first(i), left_out),
                ask(before, std::span(text_).first(i), left_out));
  const std::string bytes = read_file(folder_ / kPriorFile);
  after.save(folder_);
  EXPECT_EQ(read_file(folder_ / kPriorFile), bytes);
}

TEST_F(NgramPriorFile, OfAModelThatIsNotTrainedOnLeavesNothingOut) {
  const auto prior = read_ngram_prior(folder_, config_);
  std::vector<float> with(9), without(9);
  prior->log_probabilities(std::span(text_).first(9), text_[9], with.data());
  prior->log_probabilities(std::span(text_).first(9), LogitPrior::kNothing, without.data());
  EXPECT_EQ(with, without);
}

TEST_F(NgramPriorFile, AnotherModelsIsRefused) {
  EXPECT_EQ(refusal(), "");
  config_.vocabulary_size = 10;
  EXPECT_THAT(refusal(), HasSubstr("a vocabulary of 9, the model is of 4 and 10"));
  config_.vocabulary_size = 9;
  config_.prior_order = 3;
  EXPECT_THAT(refusal(), HasSubstr("n-grams of up to 4 tokens"));
  fs::remove(folder_ / kPriorFile);
  EXPECT_THAT(refusal(), HasSubstr("prior.safetensors: is missing"));
}

TEST_F(NgramPriorFile, DamageIsRefused) {
  rewrite("level.1.counts", 2, 5);
  EXPECT_EQ(refusal(), "") << "a count may be any";
  rewrite("level.1.counts", 2, 0);
  EXPECT_THAT(refusal(), HasSubstr("level.1.counts is damaged"));
  rewrite("level.2.grams.tokens", 0, 9);
  EXPECT_THAT(refusal(), HasSubstr("level.2.grams.tokens is damaged"));
  rewrite("level.2.grams.tokens", 0, 0xffffffff);
  EXPECT_THAT(refusal(), HasSubstr("level.2.grams.tokens is damaged"));
  rewrite("level.0.grams.tokens", 1, 0);
  EXPECT_THAT(refusal(), HasSubstr("level.0.grams.tokens is damaged")) << "not ascending";
  rewrite("level.1.longer.begin", 1, 1u << 30);
  EXPECT_THAT(refusal(), HasSubstr("level.1.longer.begin is damaged"));
  rewrite("level.3.grams.begin", 0, 1);
  EXPECT_THAT(refusal(), HasSubstr("level.3.grams.begin is damaged"));
  for (const char* name : {"text_hash", "levels", "level.3.counts", "level.0.longer.tokens"}) {
    rewrite(name, 0, 0, true);
    EXPECT_THAT(refusal(), HasSubstr(std::string(name))) << name;
  }
  write_file(folder_ / kPriorFile, read_file(folder_ / kPriorFile).substr(0, 100));
  EXPECT_THAT(refusal(), HasSubstr("prior.safetensors"));
}

// The walk over the successors of a context relies on them being successors of the shorter one.
TEST_F(NgramPriorFile, SuccessorsThatTheShorterContextLacksAreRefused) {
  // 0 1 2 3 0 1 2 3 ...: after 0 1 comes 2 alone; 3 has never followed 1.
  std::vector<Token> text;
  for (int i = 0; i < 40; ++i)
    text.push_back(i % 4);
  prior_of(text, 9, 3).save(folder_);
  config_.prior_order = 3;
  ASSERT_EQ(refusal(), "");
  NgramCounts counts = count_ngrams(text, 9, 3);
  counts.levels[2].grams.tokens[0] = (counts.levels[2].grams.tokens[0] + 1) % 4;
  NgramPrior(std::move(counts), 7, true).save(folder_);
  EXPECT_THAT(refusal(), HasSubstr("level.2.grams is damaged"));
}

}  // namespace
}  // namespace cllm
