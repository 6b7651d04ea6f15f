#include "bench/locality_tokens.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "temporary_folder.h"
#include "text/tokenizer.h"

namespace cllm::bench {
namespace {

// 1 / H(50) = 0.2223 and half of it; 20,000 draws scatter by 0.003.
TEST(ZipfTokens, FollowTheLaw) {
  const TokenStream stream = zipf_tokens(50, 20000);
  ASSERT_EQ(stream.ids.size(), 20000u);
  EXPECT_EQ(*std::ranges::max_element(stream.ids), 49);
  const auto share = [&](int32_t id) {
    return static_cast<double>(std::ranges::count(stream.ids, id)) / 20000;
  };
  EXPECT_NEAR(share(0), 0.2223, 0.012);
  EXPECT_NEAR(share(1), 0.1111, 0.012);
}

TEST(RowOrders, AreOneToOneAndFrequencyIsByCount) {
  const TokenStream stream = zipf_tokens(300, 5000);
  EXPECT_EQ(row_orders(stream).front(), RowOrder::kRandom);
  EXPECT_EQ(row_orders(stream).size(), 3u) << "ranks were made in no order";
  const auto distinct = std::set<int32_t>(stream.ids.begin(), stream.ids.end()).size();
  for (const RowOrder order : row_orders(stream)) {
    const std::vector<int32_t> rows = rows_in_order(stream, order);
    ASSERT_EQ(rows.size(), stream.ids.size());
    EXPECT_EQ(std::set<int32_t>(rows.begin(), rows.end()).size(), distinct);
    for (size_t i = 0; i < rows.size(); ++i) {
      ASSERT_TRUE(rows[i] >= 0 && rows[i] < 300);
      EXPECT_EQ(rows[i] == rows[0], stream.ids[i] == stream.ids[0]);
    }
  }
  const std::vector<int32_t> rows = rows_in_order(stream, RowOrder::kFrequency);
  EXPECT_GE(std::ranges::count(rows, 0), std::ranges::count(rows, 1));
}

using TextTokens = TemporaryFolder;

TEST_F(TextTokens, AreThoseOfTheTokenizer) {
  const std::string text = (folder_ / "text.txt").string();
  write_file(text, "abcabc");
  Tokenizer::byte().save(folder_ / "tokenizer.json");
  const TokenStream stream = text_tokens(text, folder_.string(), 4);
  EXPECT_EQ(stream.V, 257);
  EXPECT_EQ(stream.ids, (std::vector<int32_t>{'a', 'b', 'c', 'a'}));
  EXPECT_EQ(row_orders(stream).size(), 4u);
  EXPECT_EQ(rows_in_order(stream, RowOrder::kIdentity), stream.ids);
  write_file(text, "");
  EXPECT_THROW(text_tokens(text, folder_.string(), 4), Error);
}

}  // namespace
}  // namespace cllm::bench
