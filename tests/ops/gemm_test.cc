#include "ops/gemm.h"

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "reference/gemm.h"
#include "testing_tables.h"

namespace cllm {
namespace {

using kernels::Bf16;
using kernels::Fp16;
using ops::Activation;
using ops::Compute;
using ops::Gemm;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kSentinel = 1984;  // the same number in every format

enum class Residual { kNone, kApart, kInC };

struct Flags {
  bool a_transposed = false, b_transposed = false, accumulate = false;
  bool b_stored = false;  // B is of A's type, else fp32
  bool packed = false;
  Compute compute = Compute::kFp32;  // of a packed B
  bool bias = false, auxiliary = false;
  Activation activation = Activation::kNone;
  Residual residual = Residual::kNone;
  int64_t gap = 0;  // row stride minus width of every matrix
};

// Any of the types of a matrix, as long as it takes. Storage to which pointers stay valid.
class Matrix {
 public:
  // rows x width numbers, representable in `storage`, with `between` in the gaps between rows and
  // no element after the last row, so that a read beyond a row poisons the result or is seen by the
  // address sanitizer.
  Matrix(ops::Storage storage, int64_t rows, int64_t width, int64_t gap, uint64_t seed,
         float between)
      : storage_(storage) {
    if (rows == 0 || width == 0) return;
    const auto values = testing::random_vector(static_cast<size_t>(rows * width), seed);
    std::vector<float> x(static_cast<size_t>((rows - 1) * (width + gap) + width), between);
    for (int64_t r = 0; r < rows; ++r)
      std::copy_n(values.begin() + r * width, width, x.begin() + r * (width + gap));
    ops::with_storage(storage, [&](auto tag) {
      using S = typename decltype(tag)::Type;
      bytes_.resize(x.size() * sizeof(S));
      for (size_t i = 0; i < x.size(); ++i) {
        const S element = rounded<S>(x[i]);
        std::memcpy(&bytes_[i * sizeof(S)], &element, sizeof(S));
      }
    });
  }
  ops::Values values() { return {bytes_.data(), storage_}; }
  float* floats() { return values().as<float>(); }
  size_t size() const {
    return bytes_.size() / static_cast<size_t>(kernels::storage_bytes(storage_));
  }
  double at(size_t i) const {
    return ops::with_storage(storage_, [&](auto tag) {
      typename decltype(tag)::Type x;
      std::memcpy(&x, &bytes_[i * sizeof x], sizeof x);
      if constexpr (std::is_same_v<decltype(x), float>)
        return static_cast<double>(x);
      else
        return testing::value_of(x);
    });
  }
  void set(size_t i, float value) {
    ops::with_storage(storage_, [&](auto tag) {
      const auto x = rounded<typename decltype(tag)::Type>(value);
      std::memcpy(&bytes_[i * sizeof x], &x, sizeof x);
    });
  }
  friend bool operator==(const Matrix& a, const Matrix& b) { return a.bytes_ == b.bytes_; }

 private:
  template <class S>
  static S rounded(float x) {
    if constexpr (std::is_same_v<S, float>)
      return x;
    else
      return std::isnan(x) ? S{0x7fff} : testing::stored<S>(x);
  }
  ops::Storage storage_;
  std::vector<unsigned char> bytes_;
};

// Aligned scratch that starts as NaN.
class Aligned {
 public:
  explicit Aligned(int64_t floats) : space_(static_cast<size_t>(floats) + kAlignment, kNan) {}
  float* data() {
    const size_t misfit = reinterpret_cast<uintptr_t>(space_.data()) / sizeof(float) % kAlignment;
    return space_.data() + (kAlignment - misfit) % kAlignment;
  }

 private:
  static constexpr size_t kAlignment = 64 / sizeof(float);
  std::vector<float> space_;
};

struct Scratch : Aligned {
  explicit Scratch(const ops::Context& context)
      : Aligned(static_cast<int64_t>(ops::gemm_scratch(context))) {}
};

// A product with its operands, before and after. A, C, auxiliary and residual are of `storage`, but
// an accumulated C is fp32.
class Problem {
 public:
  Problem(ops::Storage storage, int64_t m, int64_t n, int64_t k, const Flags& flags)
      : flags_(flags),
        a_(storage, flags.a_transposed ? k : m, flags.a_transposed ? m : k, flags.gap, 1, kNan),
        b_(flags.b_stored ? storage : ops::Storage::kFp32, flags.b_transposed ? n : k,
           flags.b_transposed ? k : n, flags.gap, 2, kNan),
        c_(flags.accumulate ? ops::Storage::kFp32 : storage, m, n, flags.gap, 3, kSentinel),
        auxiliary_(storage, m, n, flags.gap, 5, kSentinel),
        residual_(storage, m, n, flags.gap, 6, kSentinel),
        before_c_(c_),
        before_auxiliary_(auxiliary_),
        bias_(testing::random_vector(static_cast<size_t>(n), 4)) {
    call_.m = m, call_.n = n, call_.k = k;
    call_.lda = (flags.a_transposed ? m : k) + flags.gap;
    call_.ldb = (flags.b_transposed ? k : n) + flags.gap;
    call_.ldc = n + flags.gap;
    call_.a_transposed = flags.a_transposed;
    call_.b_transposed = flags.b_transposed;
    call_.accumulate = flags.accumulate;
  }

  void run(const ops::Context& context, Scratch& scratch) {
    c_ = before_c_;
    auxiliary_ = before_auxiliary_;
    Gemm call = with(c_, auxiliary_);
    compute_ = flags_.packed ? flags_.compute : ops::compute_for(context, a_.values().storage());
    // Few rows times an unpacked fp32 B are dot products in fp32.
    if (!flags_.packed && call.m <= kernels::GemmKernels::kDotRows && call.b_transposed &&
        !call.a_transposed && !flags_.b_stored)
      compute_ = Compute::kFp32;
    if (!flags_.packed) return ops::gemm(context, call, scratch.data());
    Aligned space(ops::packed_floats(context, compute_, call.k, call.n));
    const ops::PackedMatrix packed = ops::pack(context, compute_, call.k, call.n, b_.floats(),
                                               call.ldb, call.b_transposed, space.data());
    call.packed = &packed;
    call.b = nullptr;
    ops::gemm(context, call, scratch.data());
  }

  // Every element within its bound, every gap untouched.
  ::testing::AssertionResult correct() {
    const reference::GemmTruth<double> truth(with(before_c_, before_auxiliary_), compute_);
    for (int64_t i = 0; i < call_.m; ++i)
      for (int64_t j = 0; j < call_.n; ++j) {
        const auto e = truth.element(i, j);
        const auto at = static_cast<size_t>(i * call_.ldc + j);
        if (!reference::within(c_.at(at), e.value, e.bound))
          return failure("C", i, j, c_.at(at), e.value, e.bound);
        const double before = auxiliary_.at(at);
        if (writes_auxiliary() ? !reference::within(before, e.before, e.before_bound)
                               : before != before_auxiliary_.at(at))
          return failure("auxiliary", i, j, before, e.before, e.before_bound);
      }
    return gaps_untouched(c_) && gaps_untouched(auxiliary_)
               ? ::testing::AssertionSuccess()
               : ::testing::AssertionFailure() << "written between rows";
  }

  Matrix& c() { return c_; }
  const Matrix& auxiliary() const { return auxiliary_; }

 private:
  bool writes_auxiliary() const {
    return flags_.auxiliary &&
           (flags_.activation == Activation::kGelu || flags_.activation == Activation::kRelu2);
  }

  Gemm with(Matrix& c, Matrix& auxiliary) {
    Gemm call = call_;
    call.a = a_.values();
    call.b = b_.values();
    call.c = c.values();
    call.epilogue.activation = flags_.activation;
    if (flags_.bias) call.epilogue.bias = bias_.data();
    if (flags_.auxiliary) call.epilogue.auxiliary = auxiliary.values();
    if (flags_.residual == Residual::kApart) call.epilogue.residual = residual_.values();
    if (flags_.residual == Residual::kInC) call.epilogue.residual = c.values();
    return call;
  }

  bool gaps_untouched(const Matrix& x) const {
    for (size_t at = 0; at < x.size(); ++at)
      if (static_cast<int64_t>(at) % call_.ldc >= call_.n && x.at(at) != kSentinel) return false;
    return true;
  }

  ::testing::AssertionResult failure(const char* what, int64_t i, int64_t j, double got,
                                     double expected, double bound) {
    return ::testing::AssertionFailure()
           << what << "(" << i << ", " << j << ") = " << got << " instead of " << expected << " +- "
           << bound << "; m=" << call_.m << " n=" << call_.n << " k=" << call_.k
           << " storage=" << static_cast<int>(a_.values().storage())
           << " compute=" << static_cast<int>(compute_) << " a_transposed=" << flags_.a_transposed
           << " b_transposed=" << flags_.b_transposed << " b_stored=" << flags_.b_stored
           << " packed=" << flags_.packed << " accumulate=" << flags_.accumulate
           << " gap=" << flags_.gap;
  }

  Flags flags_;
  Gemm call_;
  Compute compute_ = Compute::kFp32;
  Matrix a_, b_, c_, auxiliary_, residual_, before_c_, before_auxiliary_;
  std::vector<float> bias_;
};

constexpr ops::Storage kStorages[] = {ops::Storage::kFp32, ops::Storage::kBf16,
                                      ops::Storage::kFp16};

// Every way to give the operands of a product of `storage` on this table.
std::vector<Flags> every_form(const ops::Context& context, ops::Storage storage) {
  std::vector<Flags> all;
  for (const bool a : {false, true})
    for (const bool b : {false, true})
      for (const bool accumulate : {false, true}) {
        Flags flags;
        flags.a_transposed = a, flags.b_transposed = b, flags.accumulate = accumulate;
        flags.gap = a == accumulate ? 3 : 0;
        all.push_back(flags);
        flags.b_stored = true;
        if (storage != ops::Storage::kFp32) all.push_back(flags);
        flags.b_stored = false, flags.packed = true;
        flags.compute = ops::compute_for(context, storage);
        all.push_back(flags);
      }
  return all;
}

// Calls body(context, scratch, storage, flags) for every table, storage and form.
template <class Body>
void for_each_form(int threads, Body body) {
  ThreadPool pool(threads);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const ops::Storage storage : kStorages)
      for (const Flags& flags : every_form(context, storage))
        body(context, scratch, storage, flags);
  });
}

std::vector<int64_t> around(int64_t tile) {
  return {0, 1, tile - 1, tile, tile + 1, 2 * tile + 1};
}

TEST(Gemm, AgreesWithTheReferenceAroundTheEdgesOfTiles) {
  for_each_form(2,
                [](const auto& context, auto& scratch, ops::Storage storage, const Flags& flags) {
                  const kernels::GemmKernels& gemm = context.kernels.gemm;
                  for (const int64_t m : around(gemm.rows))
                    for (const int64_t n : around(gemm.strip * gemm.strips))
                      for (const int64_t k : {0, 1, 6, 33}) {
                        Problem problem(storage, m, n, k, flags);
                        problem.run(context, scratch);
                        ASSERT_TRUE(problem.correct());
                      }
                });
}

// Few and many rows on both sides of every cut of the plan; several K blocks, groups and threads.
TEST(Gemm, AgreesWithTheReferenceOnLargerShapes) {
  constexpr int64_t kShapes[][3] = {{1, 300, 400}, {7, 65, 385},  {16, 130, 384},
                                    {17, 97, 800}, {65, 128, 97}, {130, 250, 40},
                                    {9, 20, 1537}, {3, 3, 5000},  {210, 220, 33}};
  for_each_form(3,
                [&](const auto& context, auto& scratch, ops::Storage storage, const Flags& flags) {
                  for (const auto& shape : kShapes) {
                    Problem problem(storage, shape[0], shape[1], shape[2], flags);
                    problem.run(context, scratch);
                    ASSERT_TRUE(problem.correct());
                  }
                });
}

// More of each of m, n and k than is packed between two barriers.
TEST(Gemm, AgreesWithTheReferenceWhenOperandsArePackedInChunks) {
  constexpr int64_t kShapes[][3] = {{9, 1400, 1500}, {2600, 9, 5}, {9, 2600, 5}};
  ThreadPool pool(3);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const bool accumulate : {false, true})
      for (const auto& shape : kShapes) {
        Flags flags;
        flags.a_transposed = true, flags.b_transposed = accumulate;
        flags.bias = !accumulate, flags.accumulate = accumulate;
        Problem problem(ops::Storage::kFp32, shape[0], shape[1], shape[2], flags);
        problem.run(context, scratch);
        ASSERT_TRUE(problem.correct());
        flags.packed = true;
        Problem packed(ops::Storage::kFp32, shape[0], shape[1], shape[2], flags);
        packed.run(context, scratch);
        ASSERT_TRUE(packed.c() == problem.c());
      }
  });
}

// A packed B in the other type of words than A's own.
TEST(Gemm, ConvertsAToTheWordsOfThePackedB) {
  ThreadPool pool(2);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    if (ops::compute_for(context, ops::Storage::kBf16) != Compute::kBf16) return;
    Scratch scratch(context);
    for (const bool a_transposed : {false, true})
      for (const bool narrow : {false, true})
        for (const int64_t k : {6, 33, 801}) {
          Flags flags;
          flags.packed = true, flags.a_transposed = a_transposed, flags.gap = 1;
          flags.compute = narrow ? Compute::kBf16 : Compute::kFp32;
          Problem problem(narrow ? ops::Storage::kFp32 : ops::Storage::kBf16, 19, 70, k, flags);
          problem.run(context, scratch);
          ASSERT_TRUE(problem.correct());
        }
  });
}

TEST(Gemm, HasTheSameBitsWithAPackedB) {
  for_each_form(2, [](const auto& context, auto& scratch, ops::Storage storage, Flags flags) {
    if (!flags.packed) return;
    for (const auto& shape : {std::array<int64_t, 3>{40, 130, 70}, {17, 50, 1101}}) {
      Problem packed(storage, shape[0], shape[1], shape[2], flags);
      packed.run(context, scratch);
      flags.packed = false;
      Problem unpacked(storage, shape[0], shape[1], shape[2], flags);
      unpacked.run(context, scratch);
      flags.packed = true;
      ASSERT_TRUE(packed.c() == unpacked.c());
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
      {3, 21, 9}, {17, 50, 12}, {25, 113, 801}, {18, 96, 16}, {17, 9, 0}};
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const ops::Storage storage : kStorages)
      for (Flags flags : every_epilogue())
        for (const auto& shape : kShapes)
          for (const bool b_transposed : {false, true}) {
            SCOPED_TRACE("activation " + std::to_string(static_cast<int>(flags.activation)) +
                         " residual " + std::to_string(static_cast<int>(flags.residual)));
            flags.b_transposed = b_transposed;
            flags.packed = b_transposed && shape[0] > 3;
            flags.compute = ops::compute_for(context, storage);
            Problem problem(storage, shape[0], shape[1], shape[2], flags);
            problem.run(context, scratch);
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
  constexpr int64_t kShapes[][3] = {{20, 110, 900}, {16, 200, 400}, {210, 220, 40}};
  ThreadPool pools[] = {ThreadPool(2), ThreadPool(3), ThreadPool(7)};
  Scratch space({pools[2], kernels::chosen_table()});  // that of the most threads
  for_each_form(1, [&](const auto& alone, auto& scratch, ops::Storage storage, Flags flags) {
    if (!flags.accumulate) {
      flags.activation = Activation::kGelu;
      flags.auxiliary = flags.bias = true;
    }
    for (const auto& shape : kShapes) {
      Problem first(storage, shape[0], shape[1], shape[2], flags), problem = first;
      first.run(alone, scratch);
      for (ThreadPool& pool : pools) {
        problem.run({pool, alone.kernels}, space);
        ASSERT_TRUE(problem.c() == first.c()) << pool.size() << " threads";
        ASSERT_TRUE(problem.auxiliary() == first.auxiliary()) << pool.size() << " threads";
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
  for (const ops::Storage storage : kStorages) {
    Problem problem(storage, 9, 10, 11, flags);
    problem.run(context, scratch);
    ASSERT_TRUE(problem.correct());
    const size_t at = 4 * 12 + 3;
    const auto good = static_cast<float>(problem.c().at(at));
    // Three units in the last place of the format.
    const float off = storage == ops::Storage::kFp32   ? 1e-4f
                      : storage == ops::Storage::kBf16 ? std::abs(good) / 40
                                                       : std::abs(good) / 320;
    for (const float bad : {good + off, good - off, kNan}) {
      problem.c().set(at, bad);
      EXPECT_FALSE(problem.correct());
    }
    problem.c().set(at, good);
    EXPECT_TRUE(problem.correct());
    problem.c().set(10, 0);  // the gap after the first row
    EXPECT_FALSE(problem.correct());
  }
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
  std::vector<Bf16> halves(64);
  Gemm mixed = good;
  mixed.epilogue.residual = halves.data();
  EXPECT_DEATH(ops::gemm(context, mixed, space.data()), "residual is not of c's type");
  Gemm rounded = good;
  rounded.c = halves.data();
  rounded.accumulate = true;
  EXPECT_DEATH(ops::gemm(context, rounded, space.data()), "accumulate in 16 bits");
  const ops::PackedMatrix other{x.data(), 5, 4, Compute::kFp32};
  Gemm foreign = good;
  foreign.packed = &other;
  EXPECT_DEATH(ops::gemm(context, foreign, space.data()), "packed 5 x 4, k=4 n=4");
}

}  // namespace
}  // namespace cllm
