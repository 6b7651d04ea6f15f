// Products whose depth is split among tasks: what one thread adds up in place, and what a packed B
// gives, must come out to the bit.
#include <vector>

#include "ops/gemm.h"
#include "ops/gemm_plan.h"
#include "ops/gemm_problem.h"

namespace cllm::testing {
namespace {

Flags weight_gradient(bool accumulate, bool b_stored) {
  Flags flags;
  flags.a_transposed = true;
  flags.accumulate = accumulate, flags.b_stored = b_stored;
  flags.gap = accumulate ? 3 : 0;
  return flags;
}

// The first is even, the others cut blocks, tiles and pairs; of 16 bits all are split too.
constexpr int64_t kShapes[][3] = {{48, 96, 768}, {65, 130, 519}, {9, 100, 1701}, {331, 9, 257}};

// Calls body(context of one thread, scratch, storage, flags, shape).
template <class Body>
void for_each_split(Body body) {
  ThreadPool alone(1), most(4);
  for_each_table([&](const kernels::Table& table) {
    const ops::Context context{alone, table};
    Scratch scratch({most, table});
    for (const ops::Storage storage : kStorages)
      for (const bool accumulate : {false, true}) {
        const Flags flags = weight_gradient(accumulate, storage != ops::Storage::kFp32);
        for (const auto& shape : kShapes)
          body(context, scratch, storage, flags, shape);
      }
  });
}

bool splits(const int64_t (&shape)[3], bool a_transposed) {
  const Gemm call{.m = shape[0], .n = shape[1], .k = shape[2], .a_transposed = a_transposed};
  return ops::DepthCut(call, ops::ceil_div(shape[2], 2)).split;
}

TEST(GemmSplit, IsForLongProductsWithASmallResult) {
  for (const auto& shape : kShapes)
    EXPECT_TRUE(splits(shape, true));
  EXPECT_TRUE(splits({384, 384, 2048}, true));
  EXPECT_FALSE(splits({3072, 768, 2048}, true));
  EXPECT_FALSE(splits({128, 128, 250}, true));
  EXPECT_FALSE(splits({8, 8, 768}, true));
  EXPECT_FALSE(splits({128, 128, 768}, false));
}

TEST(GemmSplit, AgreesWithTheReferenceAndHasTheBitsOfOneThread) {
  ThreadPool pools[] = {ThreadPool(2), ThreadPool(3), ThreadPool(4)};
  for_each_split([&](const ops::Context& alone, Scratch& scratch, ops::Storage storage,
                     const Flags& flags, const int64_t(&shape)[3]) {
    Problem one(storage, shape[0], shape[1], shape[2], flags), problem = one;
    one.run(alone, scratch);
    ASSERT_TRUE(one.correct());
    for (ThreadPool& pool : pools) {
      problem.run({pool, alone.kernels}, scratch);
      ASSERT_TRUE(problem.c() == one.c()) << pool.size() << " threads";
    }
  });
}

TEST(GemmSplit, HasTheBitsOfAPackedB) {
  ThreadPool pool(3);
  for_each_split([&](const ops::Context& alone, Scratch& scratch, ops::Storage storage, Flags flags,
                     const int64_t(&shape)[3]) {
    const ops::Context context{pool, alone.kernels};
    flags.b_stored = false;
    Problem split(storage, shape[0], shape[1], shape[2], flags);
    split.run(context, scratch);
    flags.packed = true, flags.compute = ops::compute_for(context, storage);
    Problem packed(storage, shape[0], shape[1], shape[2], flags);
    packed.run(context, scratch);
    ASSERT_TRUE(split.c() == packed.c());
  });
}

// An epilogue is applied once, to the whole sum.
TEST(GemmSplit, LeavesAnEpilogueToTheWholeSum) {
  ThreadPool pool(4);
  for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (Flags flags : every_epilogue()) {
      flags.a_transposed = true;
      Problem problem(ops::Storage::kFp32, 40, 50, 300, flags);
      problem.run(context, scratch);
      ASSERT_TRUE(problem.correct());
    }
  });
}

// More blocks than have space for their sums between two barriers, and several tiles in each.
TEST(GemmSplit, GoesRoundByRound) {
  constexpr int64_t kM = 580, kN = 600, kK = 2100;
  ThreadPool alone(1), pool(4);
  const std::vector<float> a = testing::random_vector(kM * kK, 1);
  const std::vector<float> b = testing::random_vector(kK * kN, 2);
  const std::vector<float> before = testing::random_vector(kM * kN, 3);
  const auto product = [&](ThreadPool& threads) {
    const ops::Context context{threads, kernels::chosen_table()};
    Scratch scratch(context);
    std::vector<float> c = before;
    Gemm call{.m = kM, .n = kN, .k = kK, .a_transposed = true, .accumulate = true};
    call.a = a.data(), call.b = b.data(), call.c = c.data();
    call.lda = kM, call.ldb = call.ldc = kN;
    const ops::DepthCut depth(call, kK);
    EXPECT_TRUE(depth.split);
    EXPECT_LT(ops::SplitCut(context, call, depth).together, depth.blocks);
    scratch.run(context, call);
    return c;
  };
  EXPECT_EQ(product(pool), product(alone));
}

// A block that is lost or added twice is far outside the bound.
TEST(GemmSplitVerifier, RejectsALostBlock) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  Scratch scratch(context);
  const Flags flags = weight_gradient(false, false);
  Problem whole(ops::Storage::kFp32, 64, 48, 768, flags);
  whole.run(context, scratch);
  ASSERT_TRUE(whole.correct());
  // The same operands: rows of both are stored one after the other along the depth.
  Problem part(ops::Storage::kFp32, 64, 48, 768 - 192, flags);
  part.run(context, scratch);
  whole.c() = part.c();
  EXPECT_FALSE(whole.correct());
}

}  // namespace
}  // namespace cllm::testing
