// Kneser-Ney on real text, against losses that another implementation measured.
#include <gtest/gtest.h>

#include <cmath>

#include "base/file.h"
#include "crystal/kneser_ney.h"
#include "text/char_vocabulary.h"

namespace cllm {
namespace {

class TinyShakespeare : public ::testing::Test {
 protected:
  void SetUp() override {
    const fs::path path = fs::path(CLLM_SHARED_FOLDER) / "data" / "tinyshakespeare.txt";
    if (!fs::exists(path)) GTEST_SKIP() << path << " is not there";
    const std::string text = read_file(path);
    CharVocabularyBuilder builder;
    builder.add(text);
    const Tokenizer tokenizer = builder.build();
    tokenizer.encode(text, tokens_);
    vocabulary_ = tokenizer.vocabulary_size();
    split_ = static_cast<size_t>(0.9 * static_cast<double>(tokens_.size()));
  }
  NgramCounts counts(int order) const {
    return count_ngrams(std::span(tokens_).first(split_), vocabulary_, order);
  }
  // Nats per character over the last 10 %, with all of it before a character as its history.
  double loss(const NgramCounts& counts, Discounting discounting) const {
    const auto held_out = std::span(tokens_).subspan(split_);
    std::vector<double> out(held_out.size());
    KneserNey(counts, discounting).log_probabilities(held_out, out);
    double sum = 0;
    for (const double value : out)
      sum -= value;
    return sum / static_cast<double>(out.size());
  }

  std::vector<Token> tokens_;
  int64_t vocabulary_ = 0;
  size_t split_ = 0;
};

// The outside figures are of one discount per order; they have three decimals, and their author's
// vocabulary may lack the end of text.
TEST_F(TinyShakespeare, OneDiscountGivesTheKnownLosses) {
  constexpr double kKnown[] = {2.484, 2.045, 1.729, 1.579, 1.558, 1.565, 1.574};
  for (int order = 2; order <= 8; ++order)
    EXPECT_NEAR(loss(counts(order), Discounting::kOne), kKnown[order - 2], 0.002)
        << "order " << order;
}

TEST_F(TinyShakespeare, ThreeDiscountsAreBetterAtEveryOrder) {
  for (int order = 2; order <= 8; ++order) {
    const NgramCounts fitted = counts(order);
    EXPECT_LT(loss(fitted, Discounting::kThree), loss(fitted, Discounting::kOne))
        << "order " << order;
  }
  EXPECT_NEAR(loss(counts(6), Discounting::kThree), 1.523, 0.002);
}

}  // namespace
}  // namespace cllm
