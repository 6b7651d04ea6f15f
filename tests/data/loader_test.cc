#include "data/loader.h"

#include <gmock/gmock.h>

#include <numeric>
#include <set>

#include "data/data_test_files.h"

namespace cllm {
namespace {

using testing::HasSubstr;

// Token = position, so that a window tells where it came from.
TokenDataset counting(int64_t size) {
  std::vector<Token> tokens(static_cast<size_t>(size));
  std::iota(tokens.begin(), tokens.end(), 0);
  return TokenDataset::from_tokens(std::move(tokens), static_cast<int>(size));
}

struct Batch {
  Batch(int64_t batch, int64_t context)
      : tokens(static_cast<size_t>(batch * context)), targets(tokens.size()) {}
  std::vector<int32_t> tokens, targets;
  bool operator==(const Batch&) const = default;
};

class Loader : public DataTest {};

TEST_F(Loader, EveryWindowOncePerEpochAtOneOffset) {
  const int64_t context = 7;
  for (const int64_t size : {8, 9, 14, 15, 16, 50, 1000}) {
    const TokenDataset dataset = counting(size);
    BatchLoader loader(dataset.all(), 1, context, 42);
    std::set<int64_t> offsets;
    for (uint64_t epoch = 0; epoch < 60; ++epoch) {
      std::set<int64_t> begins;
      Batch batch(1, context);
      do {
        loader.next(batch.tokens.data(), batch.targets.data());
        ASSERT_EQ(loader.state().epoch, epoch);
        for (size_t t = 0; t < 7; ++t) {
          ASSERT_EQ(batch.tokens[t], batch.tokens[0] + static_cast<int>(t));
          ASSERT_EQ(batch.targets[t], batch.tokens[t] + 1);
        }
        ASSERT_TRUE(begins.insert(batch.tokens[0]).second) << "a window came twice";
      } while (loader.state().window < loader.windows_in_epoch());
      // Stride T from the offset to the end, none left out.
      const int64_t offset = *begins.begin();
      offsets.insert(offset);
      EXPECT_LT(offset, context);
      EXPECT_EQ(static_cast<int64_t>(begins.size()), (size - 1 - offset) / context);
      EXPECT_EQ(*begins.rbegin(), offset + (static_cast<int64_t>(begins.size()) - 1) * context);
    }
    EXPECT_EQ(static_cast<int64_t>(offsets.size()), std::min(context, size - context)) << size;
  }
}

TEST_F(Loader, EpochsAndSeedsHaveTheirOwnOrder) {
  const TokenDataset dataset = counting(1000);
  const auto first_epochs = [&](uint64_t seed) {
    BatchLoader loader(dataset.all(), 50, 10, seed);
    std::vector<Batch> batches(4, Batch(50, 10));
    for (Batch& batch : batches)
      loader.next(batch.tokens.data(), batch.targets.data());
    return batches;
  };
  const auto batches = first_epochs(1);
  EXPECT_EQ(batches, first_epochs(1));
  EXPECT_NE(batches, first_epochs(2));
  EXPECT_NE(batches[0], batches[2]);
}

TEST_F(Loader, ResumedEqualsUninterruptedAtEveryStep) {
  const TokenDataset dataset = counting(333);
  BatchLoader loader(dataset.all(), 3, 8, 9);
  std::vector<Batch> batches(60, Batch(3, 8));
  std::vector<LoaderState> states;
  for (Batch& batch : batches) {
    states.push_back(loader.state());
    loader.next(batch.tokens.data(), batch.targets.data());
  }
  ASSERT_GE(states.back().epoch, 3u);
  for (size_t step = 0; step < batches.size(); ++step) {
    BatchLoader resumed(dataset.all(), 3, 8, 9);
    resumed.restore(states[step]);
    EXPECT_EQ(resumed.state(), states[step]);
    for (size_t i = step; i < std::min(step + 20, batches.size()); ++i) {
      Batch batch(3, 8);
      resumed.next(batch.tokens.data(), batch.targets.data());
      ASSERT_EQ(batch, batches[i]) << step << " " << i;
    }
  }
}

TEST_F(Loader, AccumulatedBatchesAreTheRowsOfTheLargeBatch) {
  const TokenDataset dataset = counting(500);
  BatchLoader large(dataset.all(), 12, 8, 1);
  BatchLoader small(dataset.all(), 3, 8, 1);
  for (int step = 0; step < 20; ++step) {
    Batch expected(12, 8), got(12, 8);
    large.next(expected.tokens.data(), expected.targets.data());
    for (ptrdiff_t part = 0; part < 4; ++part)
      small.next(got.tokens.data() + part * 24, got.targets.data() + part * 24);
    ASSERT_EQ(got, expected);
  }
  EXPECT_EQ(large.state(), small.state());
}

TEST_F(Loader, StaysInsideItsView) {
  const TokenDataset dataset = counting(200);
  BatchLoader loader(dataset.view(50, 100), 4, 9, 3);
  Batch batch(4, 9);
  for (int step = 0; step < 100; ++step) {
    loader.next(batch.tokens.data(), batch.targets.data());
    for (const int32_t token : batch.tokens)
      ASSERT_TRUE(token >= 50 && token < 149);
    for (const int32_t token : batch.targets)
      ASSERT_TRUE(token > 50 && token < 150);
  }
}

TEST_F(Loader, ShortTextsAndWrongStatesSayTheNumbers) {
  const TokenDataset dataset = counting(40);
  EXPECT_THAT(
      error_of(ErrorKind::kData, [&] { BatchLoader(dataset.all(), 2, 40, 1); }),
      HasSubstr("40 tokens, but a context of 40 needs at least 41; choose a context of 39"));
  EXPECT_EQ(usable_context(dataset.all(), 40), 39);
  EXPECT_EQ(usable_context(dataset.all(), 16), 16);
  BatchLoader(dataset.all(), 2, 39, 1);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { usable_context(dataset.view(3, 1), 8); }),
              HasSubstr("1 tokens, at least 2 are needed"));
  BatchLoader loader(dataset.all(), 2, 8, 1);
  for (const LoaderState bad : {LoaderState{0, -1}, LoaderState{0, 6}, LoaderState{UINT64_MAX, 0}})
    EXPECT_THAT(error_of(ErrorKind::kData, [&] { loader.restore(bad); }),
                HasSubstr("does not exist: the epoch has"));
}

}  // namespace
}  // namespace cllm
