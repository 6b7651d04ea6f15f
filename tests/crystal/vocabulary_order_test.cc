#include "crystal/vocabulary_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "number/ulam.h"
#include "text/bpe_trainer.h"
#include "text/char_vocabulary.h"
#include "text/renumber.h"

namespace cllm {
namespace {

constexpr VocabularyOrder kOrders[] = {VocabularyOrder::kIdentity, VocabularyOrder::kFrequency,
                                       VocabularyOrder::kUlam};

TEST(VocabularyOrder, ByCountTiesByIdAndTheIdentityStays) {
  const std::vector<int64_t> counts = {3, 0, 9, 3, 5};
  EXPECT_EQ(vocabulary_order(VocabularyOrder::kIdentity, counts),
            (std::vector<Token>{0, 1, 2, 3, 4}));
  EXPECT_EQ(vocabulary_order(VocabularyOrder::kFrequency, counts),
            (std::vector<Token>{2, 4, 0, 3, 1}));
}

// Ranks 1 to 9 fill the square   5 4 3   of the spiral, which is read from the top.
//                                6 1 2
//                                7 8 9
TEST(VocabularyOrder, UlamsSquareOfNineByHand) {
  const std::vector<int64_t> counts = {90, 80, 70, 60, 50, 40, 30, 20, 10};
  EXPECT_EQ(vocabulary_order(VocabularyOrder::kUlam, counts),
            (std::vector<Token>{4, 5, 2, 1, 0, 3, 6, 7, 8}));
}

// Against the picture of the spiral, with counts in no order; 11 x 11 - 4 tokens leave gaps in its
// last ring.
TEST(VocabularyOrder, UlamFollowsThePicture) {
  std::vector<int64_t> counts;
  for (int64_t i = 0; i < 117; ++i)
    counts.push_back(i * 53 % 117);
  const std::vector<Token> by_rank = vocabulary_order(VocabularyOrder::kFrequency, counts);
  const std::vector<Token> places = vocabulary_order(VocabularyOrder::kUlam, counts);
  Token next = 0;
  for (const uint64_t number : number::spiral_numbers(number::spiral_window(1, 11))) {
    if (number > counts.size()) continue;
    const auto id = static_cast<size_t>(std::ranges::find(by_rank, static_cast<Token>(number - 1)) -
                                        by_rank.begin());
    EXPECT_EQ(places[id], next++) << number;
  }
  EXPECT_EQ(next, 117);
}

const std::string kText =
    "the order of the rows of a table is the order of the ids\n\u00e9\u00e9 the end";

Tokenizer char_tokenizer() {
  CharVocabularyBuilder builder;
  builder.add(kText);
  return builder.build();
}

Tokenizer bpe_tokenizer() {
  BpeTrainer trainer;
  trainer.add(kText);
  return trainer.train(270);
}

std::vector<Token> encode(const Tokenizer& tokenizer) {
  std::vector<Token> tokens;
  tokenizer.encode(kText, tokens);
  return tokens;
}

std::vector<int64_t> counts_of(const Tokenizer& tokenizer) {
  std::vector<int64_t> counts(static_cast<size_t>(tokenizer.vocabulary_size()));
  for (const Token token : encode(tokenizer))
    ++counts[static_cast<size_t>(token)];
  return counts;
}

TEST(WithOrder, KeepsTheTokensOfATextAndTellsTheIdsTheyWereMadeWith) {
  for (const Tokenizer& made : {char_tokenizer(), bpe_tokenizer()})
    for (const VocabularyOrder order : kOrders) {
      const Tokenizer ordered = with_order(made, order, counts_of(made));
      EXPECT_EQ(ordered.hash() == made.hash(), order == VocabularyOrder::kIdentity);
      EXPECT_EQ(ordered.end_of_text(), made.end_of_text());
      const std::vector<Token> origins = made_ids(ordered), tokens = encode(ordered);
      EXPECT_EQ(ordered.decode(tokens), kText);
      std::vector<Token> back;
      for (const Token token : tokens)
        back.push_back(origins[static_cast<size_t>(token)]);
      EXPECT_EQ(back, encode(made));
      for (Token id = 0; id < made.vocabulary_size(); ++id)
        EXPECT_EQ(ordered.bytes_of(id), made.bytes_of(origins[static_cast<size_t>(id)]));
    }
}

TEST(WithOrder, FrequencyGivesTheSmallestIdsToTheMostFrequent) {
  const Tokenizer made = char_tokenizer();
  const Tokenizer ordered = with_order(made, VocabularyOrder::kFrequency, counts_of(made));
  std::vector<int64_t> counts = counts_of(ordered);
  counts.pop_back();  // end of text keeps its place
  EXPECT_TRUE(std::is_sorted(counts.rbegin(), counts.rend()));
  EXPECT_EQ(ordered.bytes_of(0), " ");
}

TEST(PlaceTokenRows, MovesTheRowsOfTableAndHeadAndNothingElse) {
  ModelConfig config;
  config.vocabulary_size = 5;  // one more than the tokenizer has
  config.layers = 1, config.heads = 1, config.width = 2, config.context_length = 4;
  for (const bool tied : {false, true}) {
    config.tied_head = tied;
    const Transformer model(config);
    std::vector<float> before(static_cast<size_t>(model.parameters().arena_floats()));
    std::iota(before.begin(), before.end(), 0.0f);
    std::vector<float> after = before;
    const std::vector<Token> origins = {2, 0, 3, 1};
    place_token_rows(model, origins, after.data());
    for (const Parameter& parameter : model.parameters().all()) {
      const bool moves = &parameter == &model.token_table() || parameter.name == "head.weight";
      for (int64_t i = 0; i < parameter.count; ++i) {
        const auto row = static_cast<size_t>(i / 2);
        const int64_t origin = moves && row < 4 ? 2 * origins[row] + i % 2 : i;
        EXPECT_EQ(after[static_cast<size_t>(parameter.offset + i)],
                  before[static_cast<size_t>(parameter.offset + origin)])
            << parameter.name << " " << i;
      }
    }
  }
}

TEST(IdsToRestore, AreTheMadeOnesOfAnOrderedVocabularyOnly) {
  EXPECT_TRUE(ids_to_restore(Tokenizer::byte()).empty());
  for (const Tokenizer& made : {char_tokenizer(), bpe_tokenizer()}) {
    EXPECT_TRUE(ids_to_restore(made).empty());
    for (const VocabularyOrder order : {VocabularyOrder::kFrequency, VocabularyOrder::kUlam}) {
      const Tokenizer ordered = with_order(made, order, counts_of(made));
      const std::vector<Token> ids = ids_to_restore(ordered);
      EXPECT_EQ(ids, made_ids(ordered));
      EXPECT_EQ(renumbered(ordered, ids).hash(), made.hash());
    }
  }
}

// GPT-2's bytes are not in the order of their values; other software puts end of text first.
TEST(IdsToRestore, VocabulariesOfOtherSoftwareStayAsTheyAre) {
  const Tokenizer made = bpe_tokenizer();
  std::vector<Token> ids(static_cast<size_t>(made.vocabulary_size()));
  std::iota(ids.begin(), ids.end(), 0);
  std::rotate(ids.begin(), ids.begin() + 33, ids.begin() + 256);
  EXPECT_TRUE(ids_to_restore(renumbered(made, ids)).empty());
  std::iota(ids.begin(), ids.end(), 1);
  ids.back() = 0;
  EXPECT_TRUE(ids_to_restore(renumbered(made, ids)).empty());
}

TEST(RestoreTokenRows, UndoesPlaceTokenRows) {
  ModelConfig config;
  config.vocabulary_size = 6;  // one more than the tokenizer has
  config.layers = 1, config.heads = 1, config.width = 2, config.context_length = 4;
  config.tied_head = false;
  const Transformer model(config);
  std::vector<float> before(static_cast<size_t>(model.parameters().arena_floats()));
  std::iota(before.begin(), before.end(), 0.0f);
  std::vector<float> after = before;
  const std::vector<Token> made = {2, 0, 3, 1, 4};
  place_token_rows(model, made, after.data());
  EXPECT_NE(after, before);
  restore_token_rows(model, made, after.data());
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace cllm
