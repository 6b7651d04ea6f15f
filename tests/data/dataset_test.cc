#include "data/dataset.h"

#include <gmock/gmock.h>

#include <cmath>
#include <numeric>

#include "data/data_test_files.h"
#include "data/prepare.h"

namespace cllm {
namespace {

using testing::HasSubstr;

class Dataset : public DataTest {
 protected:
  // Four documents ("one", "twoo", "x", "five5") over shards of `shard_tokens` bytes.
  TokenDataset prepared(int64_t shard_tokens) const {
    PrepareOptions options;
    options.shard_tokens = shard_tokens;
    const std::vector<std::string> paths = {file("1", "one"), file("2", "twoo"), file("3", "x"),
                                            file("4", "five5")};
    return prepare_tokens(find_sources(paths), Tokenizer::byte(), at("tokens"), options);
  }
  std::string open_error() const {
    return error_of(ErrorKind::kData, [&] { TokenDataset::open(at("tokens")); });
  }
};

TEST_F(Dataset, ShardsReadAsOneSequence) {
  const Token end = 256;
  const std::vector<Token> expected = {'o', 'n', 'e', end, 't', 'w', 'o', 'o',
                                       end, 'x', end, 'f', 'i', 'v', 'e', '5'};
  const std::vector<int64_t> starts = {0, 4, 9, 11};
  for (const int64_t shard_tokens : {1, 3, 4, 5, 8, 9, 15, 16, 17}) {
    const TokenDataset dataset = prepared(shard_tokens);
    dataset.verify();
    ASSERT_EQ(dataset.size(), 16);
    EXPECT_EQ(dataset.text_bytes(), 13);
    for (int64_t begin = 0; begin <= 16; ++begin) {
      std::vector<Token> tokens(static_cast<size_t>(16 - begin));
      dataset.copy(begin, 16 - begin, tokens.data());
      EXPECT_EQ(tokens, std::vector<Token>(expected.begin() + begin, expected.end()));
    }
    ASSERT_EQ(dataset.documents(), 4) << shard_tokens;
    for (int64_t i = 0; i < 4; ++i)
      EXPECT_EQ(dataset.document_start(i), starts[static_cast<size_t>(i)]) << shard_tokens;
  }
}

TEST_F(Dataset, MissingAndForeignPartsAreNamed) {
  prepared(4);
  const std::string index = read_file(at("tokens/dataset.json"));
  fs::copy_file(at("tokens/tokens-00001.tok"), at("second"));
  fs::remove(at("tokens/tokens-00001.tok"));
  EXPECT_THAT(open_error(), HasSubstr("tokens-00001.tok: cannot read: No such file"));
  fs::copy_file(at("tokens/tokens-00000.tok"), at("tokens/tokens-00001.tok"));
  EXPECT_THAT(open_error(), HasSubstr("tokens-00001.tok: does not belong to"));
  fs::copy_file(at("second"), at("tokens/tokens-00001.tok"), fs::copy_options::overwrite_existing);
  EXPECT_EQ(open_error(), "");
  fs::remove(at("tokens/dataset.json"));
  EXPECT_THAT(open_error(), HasSubstr("it has no dataset.json; prepare the data again"));
  EXPECT_FALSE(is_dataset_folder(at("tokens")));
}

TEST_F(Dataset, DamagedIndexIsAnErrorAtEveryLength) {
  prepared(4);
  EXPECT_TRUE(is_dataset_folder(at("tokens")));
  const std::string index = read_file(at("tokens/dataset.json"));
  for (size_t length = 0; length + 2 < index.size(); ++length) {
    file("tokens/dataset.json", index.substr(0, length));
    EXPECT_THAT(open_error(), HasSubstr("dataset.json: damaged")) << length;
  }
  for (const char* bad :
       {"{}", "[]", "{\"format\":\"cllm-tokens\",\"version\":2}",
        "{\"format\":\"cllm-tokens\",\"version\":1,\"text_bytes\":1,\"shards\":[]}",
        "{\"format\":\"cllm-tokens\",\"version\":1,\"text_bytes\":1,"
        "\"shards\":[{\"file\":\"../x\",\"payload_hash\":\"\"}]}"}) {
    file("tokens/dataset.json", bad);
    EXPECT_THAT(open_error(), HasSubstr("dataset.json: damaged")) << bad;
  }
}

TEST_F(Dataset, AnotherVocabularyIsRefused) {
  const TokenDataset dataset = prepared(100);
  dataset.require_vocabulary(Tokenizer::byte());
  const Tokenizer other = Tokenizer::from_characters({'a', 'b'});
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { dataset.require_vocabulary(other); }),
              HasSubstr("tokens-00000.tok: made with another vocabulary"));
  const TokenDataset foreign = TokenDataset::from_files({file("t.bin", "ab")}, 1 << 16);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { foreign.require_vocabulary(other); }),
              HasSubstr("made for 65536 tokens, this tokenizer has 3"));
}

TEST_F(Dataset, ForeignFilesFollowEachOtherAndAreChecked) {
  const std::string first = file("1.bin", std::string("\1\0\2\0", 4));
  const std::string second = file("2.bin", std::string("\3\0\x9\0", 4));
  const TokenDataset dataset = TokenDataset::from_files({first, second}, 10);
  std::vector<Token> tokens(4);
  dataset.all().copy(0, 4, tokens.data());
  EXPECT_THAT(tokens, testing::ElementsAre(1, 2, 3, 9));
  EXPECT_EQ(dataset.documents(), 2);
  EXPECT_EQ(dataset.document_start(1), 2);
  EXPECT_THAT(error_of(ErrorKind::kData,
                       [&] {
                         TokenDataset::from_files({first, second}, 9);
                       }),
              HasSubstr("2.bin: token 1 is 9, outside the vocabulary of 9"));
}

TEST_F(Dataset, SplitFollowsNanoGpt) {
  const auto split = [](int64_t size, double fraction) {
    const auto dataset =
        TokenDataset::from_tokens(std::vector<Token>(static_cast<size_t>(size)), 1);
    const TokenSplit parts = split_by_position(dataset, fraction);
    EXPECT_EQ(parts.validation.begin(), parts.train.size());
    EXPECT_EQ(parts.train.size() + parts.validation.size(), size);
    return parts.train.size();
  };
  EXPECT_EQ(split(1115394, 0.1), 1003854);  // the sizes nanoGPT prints for tinyshakespeare
  EXPECT_EQ(split(10, 0.1), 9);
  EXPECT_EQ(split(9, 0.1), 8);
  EXPECT_EQ(split(7, 0), 7);
  for (const double bad : {1.0, -0.1, std::nan("")})
    EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { split(7, bad); }), HasSubstr("not in [0, 1)"));
}

}  // namespace
}  // namespace cllm
