#include "data/loader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <numeric>
#include <set>
#include <thread>

#include "data/data_test_files.h"
#include "data/prepare.h"

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

// Which pages of a file the system holds in memory.
class PageCache {
 public:
  explicit PageCache(const std::string& path) : path_(path), file_(path) {}
  // Takes back what nobody has mapped. Not every file system does.
  void drop() const {
    const int descriptor = ::open(path_.c_str(), O_RDWR);
    ::fsync(descriptor);
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
  }
  bool holds(size_t byte) const {
    const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
    unsigned char resident = 0;
    ::mincore(const_cast<std::byte*>(file_.data()) + byte / page * page, 1, &resident);
    return (resident & 1) != 0;
  }

 private:
  std::string path_;
  MappedFile file_;
};

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

// Three windows in 8 million tokens: what reading the first batch brings with it is far from them.
TEST_F(Loader, TheNextBatchIsReadWhileThisOneIsComputed) {
  constexpr int64_t kTokens = 8 << 20, kB = 3, kT = 16;
  prepare_tokens(find_sources({file("text", std::string(kTokens, 'a'))}), Tokenizer::byte(),
                 at("tokens"), {});
  const PageCache cache(at("tokens/tokens-00000.tok"));
  cache.drop();
  const TokenDataset dataset = TokenDataset::open(at("tokens"));
  const TokenDataset places = counting(kTokens);
  BatchLoader loader(dataset.all(), kB, kT, 7), positions(places.all(), kB, kT, 7);
  Batch batch(kB, kT), first(kB, kT), second(kB, kT);
  positions.next(first.tokens.data(), first.targets.data());
  positions.next(second.tokens.data(), second.targets.data());
  const auto is_there = [&](size_t row) {
    return cache.holds(sizeof(ShardHeader) + 2 * static_cast<size_t>(second.tokens[row * kT]));
  };
  for (size_t row = 0; row < kB; ++row)
    if (is_there(row)) GTEST_SKIP() << "this file system keeps its pages";
  loader.next(batch.tokens.data(), batch.targets.data());
  EXPECT_EQ(loader.state(), (LoaderState{0, kB}));
  for (size_t row = 0; row < kB; ++row) {
    for (int wait = 0; wait < 10000 && !is_there(row); ++wait)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    EXPECT_TRUE(is_there(row)) << row;
  }
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
