#include "text/bpe_trainer.h"

#include <algorithm>
#include <map>

#include "text/gpt2_split.h"
#include "text/text_test_files.h"

namespace cllm {
namespace {

Tokenizer train(std::string_view text, int size) {
  BpeTrainer trainer;
  trainer.add(text);
  return trainer.train(size);
}

std::string pseudo_text(uint64_t seed, int words) {
  PhiloxSequence random(Philox(seed, RandomStream::kTest), 0);
  std::string text;
  for (int i = 0; i < words; ++i) {
    for (uint64_t length = 1 + random.below(6); length-- > 0;)
      text += random.below(20) == 0 ? "\u00e9"
                                    : std::string(1, static_cast<char>('a' + random.below(4)));
    text += random.below(10) == 0 ? "\n" : " ";
  }
  return text;
}

// The definition: recount all pairs at each step, take the most frequent, ties to the smaller ids.
std::vector<Merge> train_naive(std::string_view text, int merges) {
  std::vector<std::vector<Token>> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = gpt2_piece_end(text, begin);
    words.emplace_back();
    for (const char byte : text.substr(begin, end - begin))
      words.back().push_back(static_cast<uint8_t>(byte));
    begin = end;
  }
  std::vector<std::string> pieces;
  for (int byte = 0; byte < 256; ++byte)
    pieces.emplace_back(1, static_cast<char>(byte));
  std::vector<Merge> result;
  while (static_cast<int>(pieces.size()) < 256 + merges) {
    std::map<Merge, int> counts;
    for (const auto& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        ++counts[{word[i], word[i + 1]}];
    Merge best{-1, -1};
    int most = 1;
    for (const auto& [pair, count] : counts)
      if (count > most) {
        most = count;
        best = pair;
      }
    if (best.first < 0) break;
    result.push_back(best);
    const std::string joined = pieces[best.first] + pieces[best.second];
    auto id = static_cast<Token>(std::find(pieces.begin(), pieces.end(), joined) - pieces.begin());
    if (static_cast<size_t>(id) == pieces.size()) pieces.push_back(joined);
    for (auto& word : words)
      for (size_t i = 0; i + 1 < word.size(); ++i)
        if (word[i] == best.first && word[i + 1] == best.second) {
          word[i] = id;
          word.erase(word.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        }
  }
  return result;
}

TEST(BpeTrainer, EqualsTheDefinition) {
  for (const uint64_t seed : {1, 2, 3}) {
    const std::string text = pseudo_text(seed, 400);
    const Tokenizer tokenizer = train(text, 257 + 120);
    const std::vector<Merge> expected = train_naive(text, 120);
    EXPECT_GT(expected.size(), 100u);
    EXPECT_EQ(std::vector<Merge>(tokenizer.merges().begin(), tokenizer.merges().end()), expected);
    EXPECT_EQ(tokenizer.decode(encode(tokenizer, text)), text);
  }
}

TEST(BpeTrainer, ResultDoesNotDependOnTheCuts) {
  // Long enough to fill the buffer several times, once without any white space.
  const std::string text =
      pseudo_text(4, 20000) + std::string(200000, 'x') + "\u20ac" + pseudo_text(5, 9000);
  const uint64_t expected = train(text, 600).hash();
  PhiloxSequence random(Philox(6, RandomStream::kTest), 0);
  for (const uint64_t longest : {1, 7, 100000}) {
    BpeTrainer trainer;
    for (size_t at = 0; at < text.size();) {
      const size_t bytes = 1 + random.below(longest);
      trainer.add(std::string_view(text).substr(at, bytes));
      at += bytes;
    }
    EXPECT_EQ(trainer.train(600).hash(), expected) << longest;
  }
}

TEST(BpeTrainer, StopsWhenNoPairRepeats) {
  const Tokenizer tokenizer = train("abab cd", 1000);
  EXPECT_EQ(tokenizer.vocabulary_size(), 258);
  EXPECT_EQ(tokenizer.bytes_of(256), "ab");
  EXPECT_EQ(tokenizer.end_of_text(), 257);
}

TEST(BpeTrainer, DocumentsAreNotJoined) {
  BpeTrainer joined, separate;
  for (int i = 0; i < 10; ++i) {
    for (const char* part : {"a", "b"}) {
      joined.add(part);
      separate.add(part);
      separate.end_document();
    }
    joined.end_document();
  }
  EXPECT_EQ(joined.train(300).vocabulary_size(), 258);
  EXPECT_EQ(separate.train(300).vocabulary_size(), 257);
}

TEST(BpeTrainer, MemoryIsBoundedAndFrequentWordsStay) {
  BpeTrainer trainer(1000);
  PhiloxSequence random(Philox(8, RandomStream::kTest), 0);
  for (int i = 0; i < 50000; ++i) {
    trainer.add(" frequent");
    std::string rare = " ";
    for (int k = 0; k < 12; ++k)
      rare += static_cast<char>('a' + random.below(26));
    trainer.add(rare);
    ASSERT_LE(trainer.distinct_words(), 1000u);
  }
  const Tokenizer tokenizer = trainer.train(300);
  EXPECT_EQ(encode(tokenizer, " frequent").size(), 1u);
}

TEST(BpeTrainer, ReportsProgressAndRefusesNonsense) {
  BpeTrainer trainer;
  trainer.add(pseudo_text(9, 3000));
  int last = 0;
  const Tokenizer tokenizer = trainer.train(1000, [&](int done, int total) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, 1000);
    last = done;
  });
  EXPECT_EQ(last, tokenizer.vocabulary_size());
  for (const int size : {-1, 0, 256, 1 << 21})
    error_of(ErrorKind::kUsage, [&] { trainer.train(size); });
  EXPECT_EQ(trainer.train(257).vocabulary_size(), 257);
  BpeTrainer empty;
  error_of(ErrorKind::kData, [&] { empty.train(300); });
}

}  // namespace
}  // namespace cllm
