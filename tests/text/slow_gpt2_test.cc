// The text layer against GPT-2's own vocabulary and on whole books, with the times printed.
#include <chrono>
#include <iterator>
#include <sstream>

#include "text/bpe_trainer.h"
#include "text/byte_alphabet.h"
#include "text/text_test_files.h"

namespace cllm {
namespace {

const fs::path kData = fs::path(CLLM_SHARED_FOLDER) / "data";

double seconds_of(const std::function<void()>& action) {
  const auto begin = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

// Texts are separated by "\n__ggml_vocab_test__\n"; the file ends with one more newline.
std::vector<std::string> split_cases(std::string text) {
  const std::string separator = "\n__ggml_vocab_test__\n";
  if (text.ends_with(separator))
    text.resize(text.size() - separator.size());
  else if (text.ends_with('\n'))
    text.pop_back();
  std::vector<std::string> cases;
  size_t begin = 0;
  for (size_t end; (end = text.find(separator, begin)) != std::string::npos;
       begin = end + separator.size())
    cases.push_back(text.substr(begin, end - begin));
  cases.push_back(text.substr(begin));
  return cases;
}

TEST(SlowGpt2, ReproducesTheCases) {
  const fs::path folder = kData / "gpt2-tokenizer";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is absent";
  const Tokenizer tokenizer = Tokenizer::load(folder);
  EXPECT_EQ(tokenizer.vocabulary_size(), 50257);
  EXPECT_EQ(tokenizer.end_of_text(), 50256);
  const std::vector<std::string> texts = split_cases(read_file(folder / "cases.inp"));
  std::istringstream expected(read_file(folder / "cases.out"));
  size_t count = 0;
  for (std::string line; std::getline(expected, line); ++count) {
    ASSERT_LT(count, texts.size());
    std::istringstream numbers(line);
    const std::vector<Token> ids{std::istream_iterator<Token>(numbers), {}};
    EXPECT_EQ(encode(tokenizer, texts[count]), ids) << testing::PrintToString(texts[count]);
    EXPECT_EQ(tokenizer.decode(ids), texts[count]);
  }
  EXPECT_EQ(count, texts.size());
  EXPECT_GT(count, 40u);
  const TestFolder saved;
  tokenizer.save_folder(saved.path(), 1024);
  const Tokenizer loaded = Tokenizer::load(saved.path());
  EXPECT_EQ(loaded.hash(), tokenizer.hash());
  EXPECT_EQ(encode(loaded, texts.back()), encode(tokenizer, texts.back()));
}

TEST(SlowGpt2, EncodesBooksAndRunsQuickly) {
  if (!fs::exists(kData / "books-train.txt")) GTEST_SKIP() << kData << " is absent";
  const Tokenizer tokenizer = Tokenizer::load(kData / "gpt2-tokenizer");
  const std::string text = read_file(kData / "books-train.txt");
  std::vector<Token> tokens;
  const double seconds = seconds_of([&] { tokenizer.encode(text, tokens); });
  fmt::print("GPT-2 BPE: {:.1f} MB/s, {:.2f} bytes per token\n",
             static_cast<double>(text.size()) / seconds / 1e6,
             static_cast<double>(text.size()) / static_cast<double>(tokens.size()));
  EXPECT_EQ(tokenizer.decode(tokens), text);
  for (const char* unit : {"a", " ", "\n", "ab", "\xFF", "'", "\u4e00"}) {
    std::string run;
    while (run.size() < 1'000'000)
      run += unit;
    tokens.clear();
    fmt::print("1 MB of {}: {:.2f} s\n", spell_bytes(unit),
               seconds_of([&] { tokenizer.encode(run, tokens); }));
    EXPECT_EQ(tokenizer.decode(tokens), run);
  }
}

TEST(SlowGpt2, TrainsOnBooks) {
  if (!fs::exists(kData / "books-train.txt")) GTEST_SKIP() << kData << " is absent";
  const std::string text = read_file(kData / "books-train.txt");
  BpeTrainer trainer;
  const double counting = seconds_of([&] { trainer.add(text); });
  const size_t words = trainer.distinct_words();
  std::vector<Tokenizer> trained;
  const double training = seconds_of([&] { trained.push_back(trainer.train(8192)); });
  std::vector<Token> tokens;
  const double encoding = seconds_of([&] { trained[0].encode(text, tokens); });
  fmt::print(
      "8192 tokens from {} words: {:.2f} s counting + {:.2f} s training; encoding {:.1f} MB/s, "
      "{:.2f} bytes per token\n",
      words, counting, training, static_cast<double>(text.size()) / encoding / 1e6,
      static_cast<double>(text.size()) / static_cast<double>(tokens.size()));
  EXPECT_EQ(trained[0].vocabulary_size(), 8192);
  EXPECT_EQ(trained[0].decode(tokens), text);
  // GPT-2's 50,257 tokens reach about 4 bytes per token on such prose; 8192 fitted to it come
  // close.
  EXPECT_GT(static_cast<double>(text.size()) / static_cast<double>(tokens.size()), 3.5);
}

}  // namespace
}  // namespace cllm
