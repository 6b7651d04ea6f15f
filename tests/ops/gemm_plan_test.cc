#include "ops/gemm_plan.h"

#include "ops/gemm_problem.h"

namespace cllm::testing {
namespace {

Gemm product(ops::Storage storage, const Flags& flags, int64_t m, int64_t n, int64_t k,
             const ops::PackedMatrix& packed) {
  Gemm call{.m = m, .n = n, .k = k};
  call.a = {nullptr, storage};
  call.a_transposed = flags.a_transposed, call.b_transposed = flags.b_transposed;
  if (flags.packed) call.packed = &packed;
  call.c = {nullptr, flags.accumulate ? ops::Storage::kFp32 : storage};
  call.accumulate = flags.accumulate;
  return call;
}

// What a session plans for its whole batch must serve the last, shorter one. That a product stays
// within its scratch is seen by all tests of gemm_problem.h.
TEST(GemmScratch, OfAProductServesSmallerOnes) {
  constexpr int64_t kSizes[] = {1, 7, 48, 97, 384, 391, 770, 1536, 2600, 9000, 50257};
  ThreadPool pool(3);
  for_each_table([&](const kernels::Table& table) {
    for (const int64_t side : {ops::kLeastGemmSide, 8 * ops::kGemmSideUnit}) {
      const ops::Context context{pool, table, nullptr, {side}};
      const size_t most = ops::gemm_scratch(context);
      for (const ops::Storage storage : kStorages)
        for (const Flags& flags : every_form(context, storage)) {
          const ops::PackedMatrix packed{.compute = flags.compute};
          const bool any_depth = flags.a_transposed || storage == ops::Storage::kFp32;
          const auto floats = [&](int64_t m, int64_t n, int64_t k) {
            return ops::gemm_scratch(context, product(storage, flags, m, n, k, packed));
          };
          size_t before_m = 0;
          for (const int64_t m : kSizes) {
            size_t before_n = 0;
            for (const int64_t n : kSizes) {
              size_t before_k = 0;
              for (const int64_t k : kSizes) {
                const size_t now = floats(m, n, k);
                ASSERT_LE(now, most) << m << " " << n << " " << k;
                ASSERT_TRUE(!any_depth || before_k <= now) << m << " " << n << " " << k;
                before_k = now;
              }
              ASSERT_LE(before_n, before_k) << m << " " << n;
              before_n = before_k;
            }
            ASSERT_LE(before_m, before_n) << m;
            before_m = before_n;
          }
        }
    }
  });
}

TEST(GemmScratch, OfASmallProductIsSmall) {
  ThreadPool pool(4);
  const ops::Context context{pool, kernels::chosen_table()};
  const ops::PackedMatrix packed{.k = 128, .n = 512};
  // A and B are read where they are, in one block: there is nothing to keep.
  EXPECT_EQ(ops::gemm_scratch(context, {.m = 768, .n = 512, .k = 128, .packed = &packed}), 0u);
  // dW packs both, with a third for padding; sums between 2 blocks of depth are small.
  const ops::Gemm dw{.m = 128, .n = 128, .k = 768, .a_transposed = true, .accumulate = true};
  EXPECT_GE(ops::gemm_scratch(context, dw), 256u * 768);
  EXPECT_LE(ops::gemm_scratch(context, dw), 2 * 256u * 768);
  EXPECT_LT(2 * 256u * 768, ops::gemm_scratch(context) / 4);
}

}  // namespace
}  // namespace cllm::testing
