// Larger products, every epilogue, and any number of threads.
#include <string>
#include <vector>

#include "ops/gemm.h"
#include "ops/gemm_problem.h"

namespace cllm::testing {
namespace {

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

}  // namespace
}  // namespace cllm::testing
