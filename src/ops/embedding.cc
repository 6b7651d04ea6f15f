#include "ops/embedding.h"

#include <algorithm>

#include "base/check.h"
#include "ops/column_shares.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

// dtoken_table [V, C] += . A task has columns of its own and takes the rows as they come, so every
// element is summed in the order of the rows, however the columns are shared; a thread alone takes
// whole rows, since shorter pieces are more jumps. Sorting the tokens first, so that a row of the
// table has one writer, took two to five times as long (`cllm bench locality --part rows`).
template <class S>
void add_by_token(const Context& context, int64_t N, int64_t C, const int32_t* tokens,
                  const S* rows, float* dtoken_table) {
  const ColumnShares shares(C, context.pool.size());
  context.pool.parallel_for(shares.tasks(), [&](int64_t task, int) {
    const int64_t first = shares.first(task), count = shares.count(task);
    for (int64_t n = 0; n < N; ++n)
      context.kernels.of<S>().rows.accumulate(count, rows + n * C + first,
                                              dtoken_table + tokens[n] * C + first);
  });
}

// dposition_table [T, C] += , each position by one task, its sequences in order.
template <class S>
void add_by_position(const Context& context, int64_t N, int64_t T, int64_t C, const S* dx,
                     float* dposition_table) {
  context.pool.parallel_for(std::min(N, T), [&](int64_t t, int) {
    for (int64_t n = t; n < N; n += T)
      context.kernels.of<S>().rows.accumulate(C, dx + n * C, dposition_table + t * C);
  });
}

}  // namespace

void embedding_forward(const Context& context, int64_t N, int64_t T, int64_t C,
                       const int32_t* tokens, const float* token_table, const float* position_table,
                       Values x) {
  const ProfileScope scope(context.profile, "embedding forward");
  CHECK_MSG(T >= 1 && (token_table != nullptr || position_table != nullptr), "T={}", T);
  const RowBlocks cut(N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    S* out = x.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      for (int64_t n = cut.begin(block); n < cut.end(block); ++n) {
        const float* rows[2] = {};
        int64_t count = 0;
        if (token_table != nullptr) {
          CHECK_MSG(tokens[n] >= 0, "tokens[{}]={}", n, tokens[n]);
          rows[count++] = token_table + tokens[n] * C;
        }
        if (position_table != nullptr) rows[count++] = position_table + n % T * C;
        context.kernels.of<S>().rows.embed(C, count, rows, out + n * C);
      }
    });
  });
}

void embedding_backward(const Context& context, int64_t N, int64_t T, int64_t C,
                        const int32_t* tokens, ConstValues dx, float* dtoken_table,
                        float* dposition_table) {
  const ProfileScope scope(context.profile, "embedding backward");
  CHECK_MSG(T >= 1, "T={}", T);
  with_storage(dx.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* rows = dx.as<S>();
    if (dtoken_table != nullptr) add_by_token(context, N, C, tokens, rows, dtoken_table);
    if (dposition_table != nullptr) add_by_position(context, N, T, C, rows, dposition_table);
  });
}

}  // namespace cllm::ops
