#include "data/prepare.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include "data/data_test_files.h"
#include "text/bpe_trainer.h"
#include "text/char_vocabulary.h"

namespace cllm {
namespace {

using testing::HasSubstr;

class Prepare : public DataTest {
 protected:
  static std::vector<Token> all_tokens(const TokenDataset& dataset) {
    std::vector<Token> tokens(static_cast<size_t>(dataset.size()));
    dataset.copy(0, dataset.size(), tokens.data());
    return tokens;
  }
  // Streams `text` with random chunk and shard sizes; the result must be that of one encode().
  void expect_streams(const Tokenizer& tokenizer, const std::string& text, PhiloxSequence& random) {
    std::vector<Token> whole;
    tokenizer.encode(text, whole);
    const auto sources = find_sources({file("t.txt", text)});
    PrepareOptions options;
    options.chunk_bytes = 1 + random.below(200);
    options.shard_tokens = static_cast<int64_t>(whole.size() / 3 + 1 + random.below(whole.size()));
    const TokenDataset dataset = prepare_tokens(sources, tokenizer, at("tokens"), options);
    EXPECT_EQ(all_tokens(dataset), whole) << "chunk " << options.chunk_bytes;
    dataset.verify();
  }
};

TEST_F(Prepare, StreamingEqualsWholeTextForEveryTokenizer) {
  PhiloxSequence random(Philox(3, RandomStream::kTest), 0);
  BpeTrainer trainer;
  trainer.add(hard_text(random, 20000, false));
  const Tokenizer bpe = trainer.train(600);
  ASSERT_GT(bpe.vocabulary_size(), 300);
  CharVocabularyBuilder characters;
  characters.add(hard_text(random, 5000, false));
  const Tokenizer chars = characters.build();
  for (int round = 0; round < 30; ++round) {
    expect_streams(bpe, hard_text(random, 1 + random.below(400), true), random);
    expect_streams(Tokenizer::byte(), hard_text(random, 1 + random.below(400), true), random);
    expect_streams(chars, hard_text(random, 1 + random.below(400), false), random);
  }
}

// The texts above do tell a wrong cut from a right one: here chunks end anywhere.
TEST_F(Prepare, CuttingAnywhereChangesTheTokens) {
  PhiloxSequence random(Philox(4, RandomStream::kTest), 0);
  const std::string text = hard_text(random, 2000, true);
  BpeTrainer trainer;
  trainer.add(text);
  const Tokenizer bpe = trainer.train(600);
  std::vector<Token> whole, parts;
  bpe.encode(text, whole);
  DocumentStream stream(find_sources({file("t.txt", text)}), {}, 50);
  Chunk chunk;
  while (stream.next(chunk))
    bpe.encode(chunk.text, parts);
  EXPECT_EQ(bpe.decode(parts), text);
  EXPECT_NE(parts, whole);
}

TEST_F(Prepare, TokensDoNotDependOnHowDocumentsArrive) {
  const std::string jsonl = file("d.jsonl", "{\"text\":\"one\"}\n{\"text\":\"two two\"}\n");
  const std::vector<std::string> files = {file("1.txt", "one"), file("2.txt", "two two")};
  const Tokenizer tokenizer = Tokenizer::byte();
  const auto from_lines = prepare_tokens(find_sources({jsonl}), tokenizer, at("a"));
  const auto from_files = prepare_tokens(find_sources(files), tokenizer, at("b"));
  EXPECT_EQ(all_tokens(from_lines), all_tokens(from_files));
  EXPECT_EQ(all_tokens(from_lines).size(), 3u + 1 + 7);
}

TEST_F(Prepare, AVocabularyWithoutEndOfTextHasNoSeparator) {
  BpeParts parts;
  for (int byte = 0; byte < 256; ++byte)
    parts.pieces.emplace_back(1, static_cast<char>(byte));
  const auto dataset = prepare_tokens(find_sources({file("1", "ab"), file("2", "c")}),
                                      Tokenizer::from_bpe(parts), at("tokens"));
  EXPECT_EQ(all_tokens(dataset), (std::vector<Token>{'a', 'b', 'c'}));
  EXPECT_EQ(dataset.document_start(1), 2);
}

TEST_F(Prepare, ReadsAPipe) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  ASSERT_EQ(write(ends[1], "abc", 3), 3);
  close(ends[1]);
  PrepareOptions options;
  options.standard_input = ends[0];
  const auto dataset =
      prepare_tokens(find_sources({"-"}), Tokenizer::byte(), at("tokens"), options);
  close(ends[0]);
  EXPECT_EQ(all_tokens(dataset), (std::vector<Token>{'a', 'b', 'c'}));
}

TEST_F(Prepare, ErrorsNameThePlaceAndLeaveNothing) {
  const Tokenizer tokenizer = Tokenizer::from_characters({'a', '\n'});
  PrepareOptions options;
  options.chunk_bytes = 4;
  options.shard_tokens = 2;
  const auto error = [&](const std::string& path) {
    return error_of(ErrorKind::kData, [&] {
      prepare_tokens(find_sources({path}), tokenizer, at("tokens"), options);
    });
  };
  EXPECT_THAT(error(file("t.txt", "a\na\na\na\naaXa\n")),
              HasSubstr("t.txt:5: character U+0058 'X' at byte 10 is not in the char vocabulary"));
  EXPECT_FALSE(fs::exists(at("tokens")));
  EXPECT_THAT(error(file("u.txt", "a\na\na\n\xff")), HasSubstr("u.txt:4: invalid UTF-8"));
  EXPECT_THAT(error(file("v.txt", "a\na\na\n\xc3")), HasSubstr("v.txt:4: invalid UTF-8"));
  EXPECT_THAT(error(file("d.jsonl", "{\"text\":\"a\"}\n{\"text\":\"a\\nb\"}\n")),
              HasSubstr("d.jsonl:2:2: character U+0062 'b'"));
  EXPECT_THAT(error(file("e.jsonl", "\n\n{\"text\":\"\"}\n")), HasSubstr("e.jsonl: holds no text"));
  EXPECT_FALSE(fs::exists(at("tokens")));
}

TEST_F(Prepare, ReplacesAnOldDatasetAndItsShards) {
  PrepareOptions options;
  options.shard_tokens = 2;
  prepare_tokens(find_sources({file("t", "abcdefgh")}), Tokenizer::byte(), at("tokens"), options);
  EXPECT_TRUE(fs::exists(at("tokens/tokens-00003.tok")));
  const auto dataset =
      prepare_tokens(find_sources({file("t", "xyz")}), Tokenizer::byte(), at("tokens"), options);
  EXPECT_EQ(all_tokens(dataset), (std::vector<Token>{'x', 'y', 'z'}));
  EXPECT_FALSE(fs::exists(at("tokens/tokens-00003.tok")));
}

TEST_F(Prepare, ReportsProgressAndCanBeStopped) {
  PrepareOptions options;
  options.chunk_bytes = 100;
  std::vector<PrepareProgress> seen;
  options.progress = [&](const PrepareProgress& progress) { seen.push_back(progress); };
  const auto sources = find_sources({file("t", std::string(1000, 'a'))});
  prepare_tokens(sources, Tokenizer::byte(), at("a"), options);
  ASSERT_GE(seen.size(), 10u);
  EXPECT_EQ(seen[4].tokens, 500);
  EXPECT_EQ(seen.back().bytes, 1000u);
  EXPECT_EQ(seen.back().bytes_total, 1000u);
  options.progress = [](const PrepareProgress& progress) {
    if (progress.tokens > 300) throw Error(ErrorKind::kRuntime, "", "stopped", "");
  };
  EXPECT_EQ(error_of(ErrorKind::kRuntime,
                     [&] { prepare_tokens(sources, Tokenizer::byte(), at("b"), options); }),
            "stopped");
  EXPECT_FALSE(fs::exists(at("b")));
}

TEST_F(Prepare, TokenBytesAreTheBytesOfText) {
  const std::vector<int32_t> bytes = token_bytes(Tokenizer::from_characters({'a', U'é', U'日'}));
  EXPECT_EQ(bytes, (std::vector<int32_t>{1, 2, 3, 0}));  // end of text stands for no text
}

TEST_F(Prepare, TinyShakespeare) {
  const fs::path path = fs::path(CLLM_SHARED_FOLDER) / "data/tinyshakespeare.txt";
  if (!fs::exists(path)) GTEST_SKIP() << path << " is not there";
  CharVocabularyBuilder characters;
  const std::string text = read_file(path);
  characters.add(text);
  const Tokenizer tokenizer = characters.build();
  const auto dataset = prepare_tokens(find_sources({path.string()}), tokenizer, at("tokens"));
  const TokenSplit split = split_by_position(dataset);
  EXPECT_EQ(split.train.size(), 1003854);
  EXPECT_EQ(split.validation.size(), 111540);
  EXPECT_EQ(tokenizer.decode(all_tokens(dataset)), text);
}

}  // namespace
}  // namespace cllm
