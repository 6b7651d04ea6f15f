#include "ops/gemm.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "reference/gemm.h"
#include "testing_tables.h"

namespace cllm {
namespace {

using ops::Activation;
using ops::Gemm;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kSentinel = 123456.75f;

enum class Residual { kNone, kApart, kInC };

struct Flags {
  bool a_transposed = false, b_transposed = false, accumulate = false;
  bool bias = false, auxiliary = false;
  Activation activation = Activation::kNone;
  Residual residual = Residual::kNone;
  int64_t gap = 0;  // row stride minus width of every matrix
};

// rows x width numbers with NaN in the gaps between rows and no element after the last row, so that
// a read beyond a row poisons the result or is seen by the address sanitizer.
std::vector<float> matrix(int64_t rows, int64_t width, int64_t gap, uint64_t seed, float between) {
  if (rows == 0 || width == 0) return {};
  const std::vector<float> values = testing::random_vector(static_cast<size_t>(rows * width), seed);
  std::vector<float> out(static_cast<size_t>((rows - 1) * (width + gap) + width), between);
  for (int64_t r = 0; r < rows; ++r)
    std::copy_n(values.begin() + r * width, width, out.begin() + r * (width + gap));
  return out;
}

// Aligned scratch that starts as NaN.
class Scratch {
 public:
  explicit Scratch(const ops::Context& context)
      : space_(ops::gemm_scratch(context) + kAlignment, kNan) {}
  float* data() {
    const size_t misfit = reinterpret_cast<uintptr_t>(space_.data()) / sizeof(float) % kAlignment;
    return space_.data() + (kAlignment - misfit) % kAlignment;
  }

 private:
  static constexpr size_t kAlignment = 64 / sizeof(float);
  std::vector<float> space_;
};

// A product with its operands, before and after.
class Problem {
 public:
  Problem(int64_t m, int64_t n, int64_t k, const Flags& flags)
      : flags_(flags),
        a_(flags.a_transposed ? matrix(k, m, flags.gap, 1, kNan)
                              : matrix(m, k, flags.gap, 1, kNan)),
        b_(flags.b_transposed ? matrix(n, k, flags.gap, 2, kNan)
                              : matrix(k, n, flags.gap, 2, kNan)),
        c_(matrix(m, n, flags.gap, 3, kSentinel)),
        bias_(testing::random_vector(static_cast<size_t>(n), 4)),
        auxiliary_(matrix(m, n, flags.gap, 5, kSentinel)),
        residual_(matrix(m, n, flags.gap, 6, kSentinel)) {
    call_.m = m, call_.n = n, call_.k = k;
    call_.lda = (flags.a_transposed ? m : k) + flags.gap;
    call_.ldb = (flags.b_transposed ? k : n) + flags.gap;
    call_.ldc = n + flags.gap;
    call_.a_transposed = flags.a_transposed;
    call_.b_transposed = flags.b_transposed;
    call_.accumulate = flags.accumulate;
    before_c_ = c_;
    before_auxiliary_ = auxiliary_;
  }

  void run(const ops::Context& context, Scratch& scratch) {
    c_ = before_c_;
    auxiliary_ = before_auxiliary_;
    ops::gemm(context, with(c_, auxiliary_), scratch.data());
  }

  // Every element within its bound, every gap untouched.
  ::testing::AssertionResult correct() {
    const reference::GemmTruth<double> truth(with(before_c_, before_auxiliary_));
    for (int64_t i = 0; i < call_.m; ++i)
      for (int64_t j = 0; j < call_.n; ++j) {
        const auto e = truth.element(i, j);
        const auto at = static_cast<size_t>(i * call_.ldc + j);
        if (!reference::within(c_[at], e.value, e.bound))
          return failure("C", i, j, c_[at], e.value, e.bound);
        const float before_activation = auxiliary_[at];
        if (writes_auxiliary()
                ? !reference::within(before_activation, e.before, e.before_bound)
                : std::memcmp(&before_activation, &before_auxiliary_[at], sizeof(float)) != 0)
          return failure("auxiliary", i, j, before_activation, e.before, e.before_bound);
      }
    return gaps_untouched(c_) && gaps_untouched(auxiliary_)
               ? ::testing::AssertionSuccess()
               : ::testing::AssertionFailure() << "written between rows";
  }

  std::vector<float>& c() { return c_; }
  const std::vector<float>& auxiliary() const { return auxiliary_; }

 private:
  bool writes_auxiliary() const {
    return flags_.auxiliary &&
           (flags_.activation == Activation::kGelu || flags_.activation == Activation::kRelu2);
  }

  Gemm with(std::vector<float>& c, std::vector<float>& auxiliary) {
    Gemm call = call_;
    call.a = a_.data();
    call.b = b_.data();
    call.c = c.data();
    call.epilogue.activation = flags_.activation;
    if (flags_.bias) call.epilogue.bias = bias_.data();
    if (flags_.auxiliary) call.epilogue.auxiliary = auxiliary.data();
    if (flags_.residual == Residual::kApart) call.epilogue.residual = residual_.data();
    if (flags_.residual == Residual::kInC) call.epilogue.residual = c.data();
    return call;
  }

  bool gaps_untouched(const std::vector<float>& x) const {
    for (size_t at = 0; at < x.size(); ++at)
      if (static_cast<int64_t>(at) % call_.ldc >= call_.n && x[at] != kSentinel) return false;
    return true;
  }

  ::testing::AssertionResult failure(const char* what, int64_t i, int64_t j, float got,
                                     double expected, double bound) const {
    return ::testing::AssertionFailure()
           << what << "(" << i << ", " << j << ") = " << got << " instead of " << expected << " +- "
           << bound << "; m=" << call_.m << " n=" << call_.n << " k=" << call_.k
           << " a_transposed=" << flags_.a_transposed << " b_transposed=" << flags_.b_transposed
           << " accumulate=" << flags_.accumulate << " gap=" << flags_.gap;
  }

  Flags flags_;
  Gemm call_;
  std::vector<float> a_, b_, c_, bias_, auxiliary_, residual_, before_c_, before_auxiliary_;
};

std::vector<Flags> every_transposition() {
  std::vector<Flags> all;
  for (const bool a : {false, true})
    for (const bool b : {false, true})
      for (const bool accumulate : {false, true}) {
        Flags flags;
        flags.a_transposed = a, flags.b_transposed = b, flags.accumulate = accumulate;
        flags.gap = a == accumulate ? 3 : 0;
        all.push_back(flags);
      }
  return all;
}

std::vector<int64_t> around(int64_t tile) {
  return {0, 1, tile - 1, tile, tile + 1, 2 * tile + 1};
}

TEST(Gemm, AgreesWithTheReferenceAroundTheEdgesOfTiles) {
  ThreadPool pool(2);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const Flags& flags : every_transposition())
      for (const int64_t m : around(table.gemm.rows))
        for (const int64_t n : around(table.gemm.columns))
          for (const int64_t k : {0, 1, 5, 33}) {
            Problem problem(m, n, k, flags);
            problem.run(context, scratch);
            ASSERT_TRUE(problem.correct());
          }
  });
}

// Few and many rows on both sides of every cut of the plan; several K blocks, groups and threads.
TEST(Gemm, AgreesWithTheReferenceOnLargerShapes) {
  constexpr int64_t kShapes[][3] = {{1, 300, 400},  {7, 65, 385},    {16, 130, 384}, {17, 97, 800},
                                    {65, 128, 768}, {130, 500, 100}, {33, 49, 1537}, {3, 3, 5000}};
  ThreadPool pool(3);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const Flags& flags : every_transposition())
      for (const auto& shape : kShapes) {
        Problem problem(shape[0], shape[1], shape[2], flags);
        problem.run(context, scratch);
        ASSERT_TRUE(problem.correct());
      }
  });
}

TEST(Gemm, AgreesWithTheReferenceWhenBIsPackedInChunks) {
  ThreadPool pool(3);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const bool b_transposed : {false, true}) {
      Flags flags;
      flags.a_transposed = true, flags.b_transposed = b_transposed;
      flags.bias = true;
      Problem problem(9, 1400, 1500, flags);
      problem.run(context, scratch);
      ASSERT_TRUE(problem.correct());
    }
  });
}

std::vector<Flags> every_epilogue() {
  std::vector<Flags> all;
  for (const Activation activation : {Activation::kNone, Activation::kGelu, Activation::kRelu2,
                                      Activation::kGeluBackward, Activation::kRelu2Backward})
    for (const bool bias : {false, true})
      for (const bool auxiliary : {false, true})
        for (const Residual residual : {Residual::kNone, Residual::kApart, Residual::kInC}) {
          const bool backward =
              activation == Activation::kGeluBackward || activation == Activation::kRelu2Backward;
          if (backward && !auxiliary) continue;
          if (activation != Activation::kNone && residual == Residual::kInC) continue;
          Flags flags;
          flags.activation = activation, flags.bias = bias;
          flags.auxiliary = auxiliary, flags.residual = residual;
          flags.gap = bias ? 2 : 0;
          all.push_back(flags);
        }
  return all;
}

TEST(Gemm, FusesEveryEpilogueOnTheLastBlockOnly) {
  ThreadPool pool(2);
  constexpr int64_t kShapes[][3] = {
      {3, 21, 9}, {17, 50, 12}, {25, 113, 401}, {18, 96, 16}, {17, 9, 0}};
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (Flags flags : every_epilogue())
      for (const auto& shape : kShapes)
        for (const bool b_transposed : {false, true}) {
          SCOPED_TRACE("activation " + std::to_string(static_cast<int>(flags.activation)) +
                       " residual " + std::to_string(static_cast<int>(flags.residual)));
          flags.b_transposed = b_transposed;
          Problem problem(shape[0], shape[1], shape[2], flags);
          problem.run({pool, table}, scratch);
          ASSERT_TRUE(problem.correct());
        }
  });
}

TEST(Gemm, LetsNanThroughEveryActivation) {
  ThreadPool pool(1);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const Flags& flags : every_epilogue()) {
      std::vector<float> a(20, kNan), b(10, 1.0f), c(200), auxiliary(200, 1.0f);
      Gemm call;
      call.m = 20, call.n = 10, call.k = 1;
      call.lda = 1, call.ldb = 10, call.ldc = 10;
      call.a = a.data(), call.b = b.data(), call.c = c.data();
      call.epilogue.activation = flags.activation;
      call.epilogue.auxiliary = auxiliary.data();
      ops::gemm(context, call, scratch.data());
      for (const float x : c)
        ASSERT_TRUE(std::isnan(x));
    }
  });
}

TEST(Gemm, HasTheSameBitsForAnyNumberOfThreads) {
  constexpr int64_t kShapes[][3] = {{50, 200, 900}, {16, 300, 500}, {20, 1400, 1500}};
  testing::for_each_table([&](const kernels::Table& table) {
    for (const auto& shape : kShapes)
      for (Flags flags : every_transposition()) {
        if (shape[2] > 1000 && (flags.b_transposed || flags.accumulate)) continue;  // slow
        if (!flags.accumulate) {
          flags.activation = Activation::kGelu;
          flags.auxiliary = flags.bias = true;
        }
        Problem problem(shape[0], shape[1], shape[2], flags);
        std::vector<float> first, first_auxiliary;
        for (const int threads : {1, 2, 3, 4, 7}) {
          ThreadPool pool(threads);
          const ops::Context context{pool, table};
          Scratch scratch(context);
          problem.run(context, scratch);
          if (threads == 1) first = problem.c(), first_auxiliary = problem.auxiliary();
          ASSERT_TRUE(testing::same_bits(problem.c(), first)) << threads << " threads";
          ASSERT_TRUE(testing::same_bits(problem.auxiliary(), first_auxiliary));
        }
      }
  });
}

TEST(GemmVerifier, RejectsCorruptedResults) {
  ThreadPool pool(1);
  const ops::Context context{pool, *kernels::find_table("scalar")};
  Flags flags;
  flags.gap = 2;
  Scratch scratch(context);
  Problem problem(9, 10, 11, flags);
  problem.run(context, scratch);
  ASSERT_TRUE(problem.correct());
  float& element = problem.c()[4 * 12 + 3];
  const float good = element;
  for (const float bad : {good + 1e-4f, good - 1e-4f, kNan}) {
    element = bad;
    EXPECT_FALSE(problem.correct());
  }
  element = good;
  problem.c()[10] = 0;  // the gap after the first row
  EXPECT_FALSE(problem.correct());
}

TEST(GemmDeathTest, RefusesCallsThatBreakTheContract) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  std::vector<float> x(64);
  Scratch space(context);
  Gemm good;
  good.m = good.n = good.k = 4;
  good.lda = good.ldb = good.ldc = 4;
  good.a = good.b = x.data();
  good.c = x.data() + 32;
  Gemm narrow = good;
  narrow.ldc = 3;
  EXPECT_DEATH(ops::gemm(context, narrow, space.data()), "ldc=3 n=4");
  Gemm both = good;
  both.accumulate = true;
  both.epilogue.bias = x.data();
  EXPECT_DEATH(ops::gemm(context, both, space.data()), "accumulate");
  Gemm blind = good;
  blind.epilogue.activation = Activation::kGeluBackward;
  EXPECT_DEATH(ops::gemm(context, blind, space.data()), "auxiliary");
}

}  // namespace
}  // namespace cllm
