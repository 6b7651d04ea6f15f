#include "base/suggest.h"

#include <gtest/gtest.h>

namespace cllm {
namespace {

TEST(Suggest, DistanceCountsEditsAndSwaps) {
  EXPECT_EQ(edit_distance("", ""), 0U);
  EXPECT_EQ(edit_distance("abc", ""), 3U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance("train", "trian"), 1U) << "a swap of neighbours is one edit";
  EXPECT_EQ(edit_distance("ca", "abc"), 3U) << "the restricted distance edits no letter twice";
  EXPECT_EQ(edit_distance("Top-K", "top_k"), 0U);
}

TEST(Suggest, FindsTheNearestWord) {
  const std::vector<std::string> commands{"train", "resume", "generate", "eval", "tokenizer"};
  EXPECT_EQ(nearest_word("trian", commands), "train");
  EXPECT_EQ(nearest_word("genrate", commands), "generate");
  EXPECT_EQ(nearest_word("tok", commands), "tokenizer") << "a beginning is enough";
  EXPECT_EQ(nearest_word("RESUME", commands), "resume");
}

TEST(Suggest, StaysSilentWhenNothingIsNear) {
  const std::vector<std::string> commands{"train", "eval", "x"};
  EXPECT_EQ(nearest_word("quantum", commands), std::nullopt);
  EXPECT_EQ(nearest_word("", commands), std::nullopt);
  EXPECT_EQ(nearest_word("y", commands), std::nullopt) << "no letter in common";
  EXPECT_EQ(nearest_word("train", {}), std::nullopt);
}

TEST(Suggest, PhrasesTheHint) {
  EXPECT_EQ(did_you_mean("evl", {"eval"}, "see help"), "did you mean 'eval'?");
  EXPECT_EQ(did_you_mean("quantum", {"eval"}, "see help"), "see help");
}

}  // namespace
}  // namespace cllm
