#include "ops/gemm.h"

#include <array>
#include <vector>

#include "ops/gemm_problem.h"

namespace cllm::testing {
namespace {

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

// Any side that may be chosen: whole register tiles of every table, the same bits.
TEST(Gemm, BitsDoNotDependOnTheSizeOfTasks) {
  constexpr int64_t kM = 450, kN = 500, kK = 800;
  ThreadPool pool(3);
  const std::vector<float> a = testing::random_vector(kM * kK, 1);
  const std::vector<float> b = testing::random_vector(kK * kN, 2);
  testing::for_each_table([&](const kernels::Table& table) {
    std::vector<float> expected;
    for (const int64_t side : {ops::kLeastGemmSide, int64_t{240}, ops::kLargestGemmSide}) {
      EXPECT_EQ(side % table.gemm.rows, 0);
      EXPECT_EQ(side % (table.gemm.strip * table.gemm.strips), 0);
      const ops::Context context{pool, table, nullptr, {side}};
      Scratch scratch(context);
      std::vector<float> c(kM * kN);
      Gemm call;
      call.m = kM, call.n = kN, call.k = kK;
      call.a = a.data(), call.b = b.data(), call.c = c.data();
      call.lda = kK, call.ldb = kN, call.ldc = kN;
      ops::gemm(context, call, scratch.data());
      if (expected.empty()) expected = c;
      EXPECT_EQ(c, expected) << side;
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
}  // namespace cllm::testing
