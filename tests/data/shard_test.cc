#include "data/shard.h"

#include <gmock/gmock.h>

#include <cstring>
#include <numeric>

#include "data/data_test_files.h"

namespace cllm {
namespace {

using testing::HasSubstr;

class Shard : public DataTest {
 protected:
  // A shard of 5 documents with 7 tokens each.
  std::string small_shard(int vocabulary_size) const {
    ShardWriter writer(at("s.tok"), vocabulary_size, 0x1234);
    for (int document = 0; document < 5; ++document) {
      writer.begin_document();
      std::vector<Token> tokens(7);
      std::iota(tokens.begin(), tokens.end(), vocabulary_size - 40 + 7 * document);
      writer.append(tokens);
    }
    writer.commit();
    return at("s.tok");
  }
  std::string open_error(const std::string& bytes, bool verify = false) const {
    const std::string path = file("hostile.tok", bytes);
    return error_of(ErrorKind::kData, [&] {
      const TokenShard shard = TokenShard::open(path);
      if (verify) shard.verify(1000);
    });
  }
};

TEST_F(Shard, RoundTripInBothWidths) {
  for (const int vocabulary : {100, 1 << 16, (1 << 16) + 1, 200000}) {
    const TokenShard shard = TokenShard::open(small_shard(vocabulary));
    shard.verify(vocabulary);
    ASSERT_EQ(shard.size(), 35);
    EXPECT_EQ(shard.header()->token_bytes, vocabulary <= 1 << 16 ? 2u : 4u);
    EXPECT_EQ(shard.header()->vocabulary_hash, 0x1234u);
    EXPECT_THAT(shard.document_starts(), testing::ElementsAre(0, 7, 14, 21, 28));
    std::vector<Token> tokens(35);
    shard.copy(0, 35, tokens.data());
    for (int i = 0; i < 35; ++i)
      EXPECT_EQ(tokens[static_cast<size_t>(i)], vocabulary - 40 + i);
  }
}

TEST_F(Shard, NothingAppearsWithoutCommit) {
  {
    ShardWriter writer(at("s.tok"), 10, 0);
    writer.begin_document();
    writer.append(std::vector<Token>{1, 2, 3});
  }
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(Shard, CutAtEveryLengthIsAnError) {
  const std::string whole = read_file(small_shard(100));
  for (size_t length = 0; length < whole.size(); ++length) {
    const std::string message = open_error(whole.substr(0, length));
    EXPECT_THAT(message, HasSubstr("hostile.tok: ")) << length;
  }
  EXPECT_THAT(open_error(whole + "x"), HasSubstr("expected"));
  EXPECT_THAT(open_error(whole.substr(0, whole.size() - 1)),
              HasSubstr("delete it and prepare the data again"));
  EXPECT_EQ(open_error(whole, true), "");
}

TEST_F(Shard, EveryFlippedBitIsFound) {
  const std::string whole = read_file(small_shard(100));
  for (size_t bit = 0; bit < 8 * whole.size(); ++bit) {
    std::string damaged = whole;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << bit % 8));
    EXPECT_NE(open_error(damaged, true), "") << "bit " << bit;
    if (bit / 8 < sizeof(ShardHeader)) {
      EXPECT_NE(open_error(damaged), "") << "bit " << bit;
    }
  }
}

// A header with a right checksum and wrong numbers: made by a faulty program, not by a bad disk.
TEST_F(Shard, HeadersThatLieAreRefused) {
  const std::string whole = read_file(small_shard(100));
  const auto lie = [&](auto change) {
    ShardHeader header;
    std::memcpy(&header, whole.data(), sizeof header);
    change(header);
    header.header_hash = hash64(&header, offsetof(ShardHeader, header_hash));
    std::string bytes = whole;
    std::memcpy(bytes.data(), &header, sizeof header);
    return open_error(bytes, true);
  };
  EXPECT_EQ(lie([](ShardHeader&) {}), "");
  EXPECT_THAT(lie([](ShardHeader& h) { h.version = 2; }), HasSubstr("format version 2"));
  EXPECT_THAT(lie([](ShardHeader& h) { h.token_bytes = 3; }), HasSubstr("makes no sense"));
  EXPECT_THAT(lie([](ShardHeader& h) { h.tokens = UINT64_MAX; }), HasSubstr("makes no sense"));
  EXPECT_THAT(lie([](ShardHeader& h) { h.tokens += 8; }), HasSubstr("expected"));
  EXPECT_THAT(lie([](ShardHeader& h) { h.documents = uint64_t{1} << 61; }),
              HasSubstr("makes no sense"));
  EXPECT_THAT(lie([](ShardHeader& h) { h.documents = 4; }), HasSubstr("expected"));
}

TEST_F(Shard, ReadsNanoGptFiles) {
  const std::vector<uint16_t> tokens = {5, 6, 65535, 7};
  const std::string_view bytes(reinterpret_cast<const char*>(tokens.data()), 8);
  const TokenShard shard = TokenShard::open(file("train.bin", bytes));
  shard.verify(65536);
  std::vector<Token> out(4);
  shard.copy(0, 4, out.data());
  EXPECT_THAT(out, testing::ElementsAre(5, 6, 65535, 7));
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { shard.verify(65535); }),
              HasSubstr("train.bin: token 2 is 65535, outside the vocabulary of 65535; give"));
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { TokenShard::open(file("odd.bin", "123")); }),
              HasSubstr("3 bytes are not a whole number of 16-bit tokens"));
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { TokenShard::open(file("none.bin", "")); }),
              HasSubstr("the token file is empty"));
}

TEST_F(Shard, ReadsLlmcFiles) {
  std::vector<int32_t> header(256);
  header[0] = 20240520;
  header[1] = 1;
  header[2] = 3;
  const std::vector<uint16_t> tokens = {50256, 1, 2};
  const auto bytes = [&] {
    std::string all(reinterpret_cast<const char*>(header.data()), 1024);
    return all.append(reinterpret_cast<const char*>(tokens.data()), 6);
  };
  const TokenShard shard = TokenShard::open(file("t.bin", bytes()));
  std::vector<Token> out(3);
  shard.copy(0, 3, out.data());
  EXPECT_THAT(out, testing::ElementsAre(50256, 1, 2));
  const auto error = [&] {
    return error_of(ErrorKind::kData, [&] { TokenShard::open(file("bad.bin", bytes())); });
  };
  header[2] = 4;
  EXPECT_THAT(error(), HasSubstr("promises 4 tokens"));
  header[2] = -3;
  EXPECT_THAT(error(), HasSubstr("promises -3 tokens"));
  header[1] = 7;
  EXPECT_THAT(error(), HasSubstr("version 7"));
  EXPECT_THAT(error_of(ErrorKind::kData,
                       [&] { TokenShard::open(file("cut.bin", bytes().substr(0, 100))); }),
              HasSubstr("cut off: 100 of the 1024 bytes"));
}

}  // namespace
}  // namespace cllm
