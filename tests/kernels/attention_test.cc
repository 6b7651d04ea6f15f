#include "kernels/attention.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "reference/attention.h"
#include "testing.h"
#include "testing_tables.h"

namespace cllm::kernels {
namespace {

using testing::all_close;
using testing::for_each_table;
using testing::GuardedSpan;
using testing::kUnit;
using testing::lanes_of;
using testing::random_vector;
using testing::same_bits;
using testing::widen;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// One head: `queries` queries at positions from `position` on, the last sees the last key.
struct Head {
  int64_t queries, position, D;
  size_t query_floats = static_cast<size_t>(queries * D);
  size_t key_floats = static_cast<size_t>((position + queries) * D);
  std::vector<float> q = random_vector(query_floats, 1), dout = random_vector(query_floats, 4);
  std::vector<float> k = random_vector(key_floats, 2), v = random_vector(key_floats, 3);

  reference::Attention reference() const {
    return {1, queries, position + queries, 1, 1, D, static_cast<double>(scale()), {}};
  }
  float scale() const { return 1 / std::sqrt(static_cast<float>(D)); }
  AttentionBlock block() const {
    return {queries, position, D, scale(), {q.data(), D}, {k.data(), D}, {v.data(), D}, {}};
  }
  std::string name() const {
    return fmt::format("queries={} position={} D={}", queries, position, D);
  }
};

std::vector<float> aligned_scratch(int64_t floats) {
  return std::vector<float>(static_cast<size_t>(floats) + 16, kNan);
}
float* aligned(std::vector<float>& x) {
  return x.data() + (64 - reinterpret_cast<uintptr_t>(x.data()) % 64) % 64 / sizeof(float);
}

// Normal inputs, scores of size 1 to 10: a probability carries a few u times the score (its own
// rounding and that of the sum over D), so 300 u on values up to 4 is generous, and 1e4 times
// smaller than what a wrong mask or scale would do.
constexpr double kBound = 1200 * kUnit;

struct Forward {
  std::vector<float> out, log_sum_exp;
  bool intact;
};

Forward forward(const AttentionKernels& kernels, const Head& head, size_t offset, bool one) {
  GuardedSpan out(std::vector<float>(head.query_floats, kNan), offset);
  GuardedSpan logs(std::vector<float>(static_cast<size_t>(head.queries), kNan), offset);
  const AttentionForward call{head.block(), {out.data(), head.D}, logs.data()};
  std::vector<float> scratch = aligned_scratch(attention_forward_floats(head.D));
  if (one)
    kernels.forward_one(call);
  else
    kernels.forward(call, aligned(scratch));
  return {out.values(), logs.values(), out.intact() && logs.intact()};
}

TEST(AttentionKernels, ForwardMatchesReferenceAndWritesOnlyItsRows) {
  for_each_table([](const Table& table) {
    std::vector<int64_t> sizes = {1, 31, 64, 65};
    for (const int64_t n : {lanes_of(table) - 1, lanes_of(table), lanes_of(table) + 1})
      if (n > 0) sizes.push_back(n);
    for (const int64_t queries : {1, 2, 15, 17, 63, 64})
      for (const int64_t position : {0, 1, 63, 64, 100})
        for (const int64_t D : sizes) {
          const Head head{queries, position, D};
          SCOPED_TRACE(head.name());
          std::vector<double> logs;
          const auto out = reference::attention_forward(head.reference(), widen(head.q),
                                                        widen(head.k), widen(head.v), &logs);
          for (const bool one : {false, true}) {
            if (one && queries != 1) continue;
            const auto offset = static_cast<size_t>(D % 5);
            const Forward f = forward(table.attention, head, offset, one);
            EXPECT_TRUE(all_close(f.out, out, kBound, 0));
            EXPECT_TRUE(all_close(f.log_sum_exp, logs, kBound, 0));
            EXPECT_TRUE(f.intact);
          }
        }
  });
}

struct Gradients {
  std::vector<float> dq, dk, dv;
};

// The keys [begin, end); dk and dv start from `start`.
Gradients backward(const AttentionKernels& kernels, const Head& head, const Forward& kept,
                   int64_t begin, int64_t end, int64_t fresh_from, const Gradients& start,
                   bool queries_wanted, bool keys_wanted) {
  GuardedSpan dq(start.dq, 1), dk(start.dk, 2), dv(start.dv, 3);
  AttentionBackward call;
  call.block = head.block();
  call.out = {kept.out.data(), head.D};
  call.dout = {head.dout.data(), head.D};
  call.log_sum_exp = kept.log_sum_exp.data();
  call.key_begin = begin;
  call.key_end = end;
  if (queries_wanted) call.dq = {dq.data(), head.D};
  if (keys_wanted) {
    call.dk = {dk.data(), head.D};
    call.dv = {dv.data(), head.D};
  }
  call.fresh_from = fresh_from;
  std::vector<float> scratch = aligned_scratch(attention_backward_floats(head.D));
  kernels.backward(call, aligned(scratch));
  EXPECT_TRUE(dq.intact() && dk.intact() && dv.intact());
  return {dq.values(), dk.values(), dv.values()};
}

std::vector<float> sum(const std::vector<float>& x, const std::vector<float>& y) {
  std::vector<float> z(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    z[i] = x[i] + y[i];
  return z;
}

// With up to 64 queries a column of probabilities sums to less than 64, of which the bound allows.
constexpr double kKeyBound = 8 * kBound;

TEST(AttentionKernels, BackwardMatchesReference) {
  for_each_table([](const Table& table) {
    for (const int64_t queries : {1, 17, 64})
      for (const int64_t position : {0, 5, 64, 100})
        for (const int64_t D : {1, 16, 33}) {
          const Head head{queries, position, D};
          SCOPED_TRACE(head.name());
          const auto g = reference::attention_backward(
              head.reference(), widen(head.q), widen(head.k), widen(head.v), widen(head.dout));
          const Forward kept = forward(table.attention, head, 0, false);
          const Gradients start{std::vector<float>(head.query_floats, kNan),
                                std::vector<float>(head.key_floats, kNan),
                                std::vector<float>(head.key_floats, kNan)};
          const Gradients all =
              backward(table.attention, head, kept, 0, position + queries, 0, start, true, true);
          EXPECT_TRUE(all_close(all.dq, g.dq, kBound, 0));
          EXPECT_TRUE(all_close(all.dk, g.dk, kKeyBound, 0));
          EXPECT_TRUE(all_close(all.dv, g.dv, kKeyBound, 0));
        }
  });
}

TEST(AttentionKernels, BackwardByPartsGivesTheWhole) {
  for_each_table([](const Table& table) {
    const Head head{50, 100, 20};
    const Forward kept = forward(table.attention, head, 0, false);
    const Gradients start{random_vector(head.query_floats, 5), random_vector(head.key_floats, 6),
                          random_vector(head.key_floats, 7)};
    const auto run = [&](int64_t begin, int64_t end, int64_t fresh, bool queries, bool keys) {
      return backward(table.attention, head, kept, begin, end, fresh, start, queries, keys);
    };
    const Gradients whole = run(0, 150, 0, true, true);
    const Gradients left = run(0, 64, 0, true, false), right = run(64, 150, 0, true, false);
    EXPECT_TRUE(all_close(sum(left.dq, right.dq), widen(whole.dq), kBound, 0));
    EXPECT_TRUE(same_bits(left.dk, start.dk));
    EXPECT_TRUE(same_bits(left.dv, start.dv));
    const Gradients keys = run(0, 150, 64, false, true);
    EXPECT_TRUE(same_bits(keys.dq, start.dq));
    const auto first = [](const std::vector<float>& x) {
      return std::vector<float>(x.begin(), x.begin() + 64 * 20);
    };
    const auto rest = [](const std::vector<float>& x) {
      return std::vector<float>(x.begin() + 64 * 20, x.end());
    };
    EXPECT_TRUE(same_bits(first(keys.dk), sum(first(start.dk), first(whole.dk))));
    EXPECT_TRUE(same_bits(first(keys.dv), sum(first(start.dv), first(whole.dv))));
    EXPECT_TRUE(same_bits(rest(keys.dk), rest(whole.dk)));
    EXPECT_TRUE(same_bits(rest(keys.dv), rest(whole.dv)));
  });
}

// With equal scores and values of 1 the output of query i is the share of its kept keys / (1 - p):
// about 1, and never the same mask for two queries, steps or seeds.
TEST(AttentionKernels, DropoutKeepsTheExpectedShare) {
  for_each_table([](const Table& table) {
    Head head{64, 960, 1};
    std::fill(head.q.begin(), head.q.end(), 0.0f);
    std::fill(head.v.begin(), head.v.end(), 1.0f);
    std::vector<float> out(64), scratch = aligned_scratch(attention_forward_floats(1));
    AttentionForward call{head.block(), {out.data(), 1}, nullptr};
    call.block.dropout = {{7, 3, 3}, 12345, 1024, 1u << 30, 1 / 0.75f};
    table.attention.forward(call, aligned(scratch));
    double mean = 0;
    for (const float x : out)
      mean += static_cast<double>(x) / 64;
    // 64 rows of about 1000 draws of variance p / (1 - p): five standard errors.
    EXPECT_NEAR(mean, 1, 5 * std::sqrt(0.25 / 0.75 / 64e3));
    const std::vector<float> before = out;
    call.block.dropout.stream.step = 4;
    table.attention.forward(call, aligned(scratch));
    EXPECT_FALSE(same_bits(out, before));
  });
}

}  // namespace
}  // namespace cllm::kernels
