#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "kernels/attention_truth.h"
#include "testing_tables.h"

namespace cllm::kernels {
namespace {

using testing::all_close;
using testing::Head;
using testing::kBound;
using testing::kUnit;
using testing::product_unit;
using testing::random_head;
using testing::random_stored;
using testing::random_vector;
using testing::same_bits;
using testing::StorageFormat;
using testing::StorageSpan;
using testing::Truth;
using testing::within;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class S>
class AttentionKernel : public ::testing::Test {};
TYPED_TEST_SUITE(AttentionKernel, testing::Storages);

// The head as the kernel sees it, at misaligned addresses.
template <class S>
struct StoredHead {
  const Head& head;
  StorageSpan<S> q{head.q, 1}, k{head.k, 2}, v{head.v, 3}, dout{head.dout, 1};

  AttentionBlock<S> block() {
    const int64_t D = head.D;
    return {head.queries,  head.position, D, head.scale(), {q.data(), D},
            {k.data(), D}, {v.data(), D}, {}};
  }
};

std::vector<float> aligned_scratch(int64_t floats) {
  return std::vector<float>(static_cast<size_t>(floats) + 16, kNan);
}
float* aligned(std::vector<float>& x) {
  return x.data() + (64 - reinterpret_cast<uintptr_t>(x.data()) % 64) % 64 / sizeof(float);
}

struct Forward {
  std::vector<float> out, log_sum_exp;
  bool intact;
};

template <class S>
Forward forward(const Table& table, const Head& head, size_t offset, bool one) {
  StoredHead<S> stored{head};
  StorageSpan<S> out(std::vector<float>(head.q.size(), 99.0f), offset);
  StorageSpan<float> logs(std::vector<float>(static_cast<size_t>(head.queries), kNan), offset);
  const AttentionForward<S> call{stored.block(), {out.data(), head.D}, logs.data()};
  std::vector<float> scratch = aligned_scratch(attention_forward_floats(head.D));
  const auto& kernels = table.of<S>().attention;
  if (one)
    kernels.forward_one(call);
  else
    kernels.forward(call, aligned(scratch));
  return {out.values(), logs.values(), out.intact() && logs.intact()};
}

TYPED_TEST(AttentionKernel, ForwardMatchesReferenceAndWritesOnlyItsRows) {
  using S = TypeParam;
  testing::for_each_table([](const Table& table) {
    std::vector<int64_t> sizes = {1, 2, 31, 64, 65};
    for (const int64_t n :
         {testing::lanes_of(table) - 1, testing::lanes_of(table), testing::lanes_of(table) + 1})
      if (n > 0) sizes.push_back(n);
    for (const int64_t queries : {1, 2, 15, 17, 63, 64})
      for (const int64_t position : {0, 1, 63, 64, 100})
        for (const int64_t D : sizes) {
          const Head head = random_head<S>(queries, position, D);
          SCOPED_TRACE(head.name());
          const Truth truth(head, product_unit<S>(table), StorageFormat<S>::kUnit);
          for (const bool one : {false, true}) {
            if (one && queries != 1) continue;
            const Forward f = forward<S>(table, head, static_cast<size_t>(D % 5), one);
            EXPECT_TRUE(within(f.out, truth.out, truth.out_error));
            EXPECT_TRUE(all_close(f.log_sum_exp, truth.logs, kBound, 0));
            EXPECT_TRUE(f.intact);
          }
        }
  });
}

struct Gradients {
  std::vector<float> dq, dk, dv;
};

// The keys [begin, end); dk and dv start from `start`.
template <class S>
Gradients backward(const Table& table, const Head& head, const Forward& kept, int64_t begin,
                   int64_t end, int64_t fresh_from, const Gradients& start, bool queries_wanted,
                   bool keys_wanted) {
  StoredHead<S> stored{head};
  StorageSpan<S> out(kept.out, 0), dq(start.dq, 1);
  StorageSpan<float> dk(start.dk, 2), dv(start.dv, 3);
  AttentionBackward<S> call;
  call.block = stored.block();
  call.out = {out.data(), head.D};
  call.dout = {stored.dout.data(), head.D};
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
  table.of<S>().attention.backward(call, aligned(scratch));
  EXPECT_TRUE(dq.intact() && dk.intact() && dv.intact());
  return {dq.values(), dk.values(), dv.values()};
}

std::vector<float> sum(const std::vector<float>& x, const std::vector<float>& y) {
  std::vector<float> z(x.size());
  for (size_t i = 0; i < x.size(); ++i)
    z[i] = x[i] + y[i];
  return z;
}

TYPED_TEST(AttentionKernel, BackwardMatchesReference) {
  using S = TypeParam;
  testing::for_each_table([](const Table& table) {
    for (const int64_t queries : {1, 17, 64})
      for (const int64_t position : {0, 5, 64, 100})
        for (const int64_t D : {1, 16, 33, 64}) {
          const Head head = random_head<S>(queries, position, D);
          SCOPED_TRACE(head.name());
          const Truth truth(head, product_unit<S>(table), StorageFormat<S>::kUnit);
          const Forward kept = forward<S>(table, head, 0, false);
          const Gradients start{std::vector<float>(head.q.size(), 99.0f),
                                std::vector<float>(head.k.size(), kNan),
                                std::vector<float>(head.k.size(), kNan)};
          const Gradients all =
              backward<S>(table, head, kept, 0, position + queries, 0, start, true, true);
          EXPECT_TRUE(within(all.dq, truth.dq, truth.dq_error));
          EXPECT_TRUE(within(all.dk, truth.dk, truth.dk_error));
          EXPECT_TRUE(within(all.dv, truth.dv, truth.dv_error));
        }
  });
}

// A bound proves something only while it is a small part of what it bounds.
TEST(AttentionBounds, AreTight) {
  const Head head = random_head<Bf16>(64, 100, 64);
  const Truth truth(head, StorageFormat<Bf16>::kUnit, StorageFormat<Bf16>::kUnit);
  const auto share = [](const std::vector<double>& errors, const std::vector<double>& values) {
    double error = 0, size = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      error += errors[i] * errors[i];
      size += values[i] * values[i];
    }
    return std::sqrt(error / size);
  };
  EXPECT_LT(share(truth.out_error, truth.out), 0.1);
  EXPECT_LT(share(truth.dq_error, truth.dq), 0.4);
  EXPECT_LT(share(truth.dk_error, truth.dk), 0.4);
  EXPECT_LT(share(truth.dv_error, truth.dv), 0.1);
}

TYPED_TEST(AttentionKernel, BackwardByPartsGivesTheWhole) {
  using S = TypeParam;
  testing::for_each_table([](const Table& table) {
    const Head head = random_head<S>(50, 100, 20);
    const Forward kept = forward<S>(table, head, 0, false);
    const Gradients start{random_stored<S>(head.q.size(), 5), random_vector(head.k.size(), 6),
                          random_vector(head.k.size(), 7)};
    const auto run = [&](int64_t begin, int64_t end, int64_t fresh, bool queries, bool keys) {
      return backward<S>(table, head, kept, begin, end, fresh, start, queries, keys);
    };
    const Gradients whole = run(0, 150, 0, true, true);
    const Gradients left = run(0, 64, 0, true, false), right = run(64, 150, 0, true, false);
    // Three roundings to S, each of at most 4.
    const double rounding = 3 * 4 * StorageFormat<S>::kUnit;
    EXPECT_TRUE(all_close(sum(left.dq, right.dq), testing::widen(whole.dq), kBound + rounding, 0));
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

// A head wider than forward_one takes at once.
TYPED_TEST(AttentionKernel, OneQueryOfAWideHead) {
  using S = TypeParam;
  testing::for_each_table([](const Table& table) {
    const Head head = random_head<S>(1, 70, 600);
    const Truth truth(head, product_unit<S>(table), StorageFormat<S>::kUnit);
    const Forward one = forward<S>(table, head, 1, true);
    EXPECT_TRUE(within(one.out, truth.out, truth.out_error));
    EXPECT_TRUE(all_close(one.log_sum_exp, truth.logs, kBound, 0));
    EXPECT_TRUE(one.intact);
  });
}

// Scores of thousands: the largest alone counts, nothing overflows, and of equal ones each has its
// share.
TYPED_TEST(AttentionKernel, LargeScoresStayFinite) {
  using S = TypeParam;
  testing::for_each_table([](const Table& table) {
    Head head = random_head<S>(64, 64, 2);
    std::fill(head.q.begin(), head.q.end(), 100.0f);
    for (size_t key = 0; key < 128; ++key) {
      const float side = key == 5 || key == 63 ? 50.0f : -50.0f;
      head.k[2 * key] = head.k[2 * key + 1] = side;
      head.v[2 * key] = head.v[2 * key + 1] = static_cast<float>(key);
    }
    const Forward f = forward<S>(table, head, 0, false);
    EXPECT_TRUE(all_close(f.out, std::vector<double>(128, (5 + 63) / 2.0), kBound, 0));
    const double score = 2 * 100 * 50 * static_cast<double>(head.scale());
    EXPECT_TRUE(
        all_close(f.log_sum_exp, std::vector<double>(64, score + std::log(2.0)), 0, 4 * kUnit));
  });
}

// What is not finite among the scores a query sees reaches its output, and no other.
TYPED_TEST(AttentionKernel, ANanReachesTheQueriesThatSeeIt) {
  using S = TypeParam;
  testing::for_each_table([](const Table& table) {
    Head head = random_head<S>(40, 64, 16);
    const Head clean = head;
    StoredHead<S> stored{head};
    S nan;
    std::memset(&nan, 0xff, sizeof nan);
    stored.k.data()[(64 + 20) * 16] = nan;
    StorageSpan<S> out(std::vector<float>(head.q.size()), 0);
    std::vector<float> scratch = aligned_scratch(attention_forward_floats(16));
    table.of<S>().attention.forward({stored.block(), {out.data(), 16}, nullptr}, aligned(scratch));
    const auto expected = forward<S>(table, clean, 0, false).out;
    for (size_t i = 0; i < expected.size(); ++i) {
      if (i / 16 >= 20)
        ASSERT_TRUE(std::isnan(out.values()[i])) << i;
      else
        ASSERT_EQ(out.values()[i], expected[i]) << i;
    }
  });
}

// With equal scores and values of 1 the output of query i is the share of its kept keys / (1 - p):
// about 1, and never the same mask for two queries, steps or seeds.
TYPED_TEST(AttentionKernel, DropoutKeepsTheExpectedShare) {
  using S = TypeParam;
  testing::for_each_table([](const Table& table) {
    Head head = random_head<S>(64, 960, 1);
    std::fill(head.q.begin(), head.q.end(), 0.0f);
    std::fill(head.v.begin(), head.v.end(), 1.0f);
    StoredHead<S> stored{head};
    StorageSpan<S> out(std::vector<float>(64), 0);
    std::vector<float> scratch = aligned_scratch(attention_forward_floats(1));
    AttentionForward<S> call{stored.block(), {out.data(), 1}, nullptr};
    call.block.dropout = {{7, 3, 3}, 12345, 1024, 1u << 30, 1 / 0.75f};
    table.of<S>().attention.forward(call, aligned(scratch));
    double mean = 0;
    for (const float x : out.values())
      mean += static_cast<double>(x) / 64;
    // 64 rows of about 1000 draws of variance p / (1 - p): five standard errors; and the rounding
    // of the factor, which is the same in every draw.
    EXPECT_NEAR(mean, 1, 5 * std::sqrt(0.25 / 0.75 / 64e3) + 2 * StorageFormat<S>::kUnit);
    const std::vector<float> before = out.values();
    call.block.dropout.stream.step = 4;
    table.of<S>().attention.forward(call, aligned(scratch));
    EXPECT_FALSE(same_bits(out.values(), before));
  });
}

}  // namespace
}  // namespace cllm::kernels
