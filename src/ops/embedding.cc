#include "ops/embedding.h"

#include <algorithm>

#include "base/check.h"
#include "ops/column_shares.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

// The scatter of sorted tokens is cut into tasks of kSortedRows places by kColumns columns, so that
// one frequent token (a space) does not leave all its work to one thread.
constexpr int64_t kSortedRows = 64;
constexpr int64_t kColumns = 64;

int64_t token_of(uint64_t key) {
  return static_cast<int64_t>(key >> 32);
}
int64_t place_of(uint64_t key) {
  return static_cast<int64_t>(key & 0xffffffffu);
}

// dtoken_table [V, C] += . A task has columns of its own and takes the rows as they come, so every
// element is summed in the order of the rows, however the columns are shared; a thread alone takes
// whole rows, since shorter pieces are more jumps. Sorting the tokens first took two to five times
// as long (`cllm bench locality --part rows`).
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

// dtoken_table [V, C] += . A task adds the rows of every token whose first sorted place is its own.
template <class S>
void add_sorted(const Context& context, int64_t N, int64_t C, const uint64_t* keys, const S* rows,
                float* dtoken_table) {
  const int64_t groups = (N + kSortedRows - 1) / kSortedRows;
  const int64_t column_groups = (C + kColumns - 1) / kColumns;
  context.pool.parallel_for(groups * column_groups, [&](int64_t task, int) {
    const int64_t end = std::min(N, (task / column_groups + 1) * kSortedRows);
    const int64_t column = task % column_groups * kColumns;
    const auto goes_on = [&](int64_t i) {
      return i > 0 && i < N && token_of(keys[i]) == token_of(keys[i - 1]);
    };
    int64_t i = task / column_groups * kSortedRows;
    while (i < end && goes_on(i))
      ++i;
    for (const bool any = i < end; any && (i < end || goes_on(i)); ++i)
      context.kernels.of<S>().rows.accumulate(std::min(kColumns, C - column),
                                              rows + place_of(keys[i]) * C + column,
                                              dtoken_table + token_of(keys[i]) * C + column);
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
                       Values x, const uint64_t* keys) {
  const ProfileScope scope(context.profile, "embedding forward");
  CHECK_MSG(T >= 1 && (token_table != nullptr || position_table != nullptr), "T={}", T);
  const RowBlocks cut(N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    S* out = x.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      for (int64_t i = cut.begin(block); i < cut.end(block); ++i) {
        const int64_t n = keys == nullptr ? i : place_of(keys[i]);
        const float* rows[2] = {};
        int64_t count = 0;
        if (token_table != nullptr) {
          const int64_t token = keys == nullptr ? tokens[n] : token_of(keys[i]);
          CHECK_MSG(token >= 0, "tokens[{}]={}", n, token);
          rows[count++] = token_table + token * C;
        }
        if (position_table != nullptr) rows[count++] = position_table + n % T * C;
        context.kernels.of<S>().rows.embed(C, count, rows, out + n * C);
      }
    });
  });
}

void embedding_backward(const Context& context, int64_t N, int64_t T, int64_t C,
                        const int32_t* tokens, ConstValues dx, float* dtoken_table,
                        float* dposition_table, const uint64_t* keys) {
  const ProfileScope scope(context.profile, "embedding backward");
  CHECK_MSG(T >= 1, "T={}", T);
  with_storage(dx.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* rows = dx.as<S>();
    if (dtoken_table != nullptr && keys == nullptr)
      add_by_token(context, N, C, tokens, rows, dtoken_table);
    if (dtoken_table != nullptr && keys != nullptr)
      add_sorted(context, N, C, keys, rows, dtoken_table);
    if (dposition_table != nullptr) add_by_position(context, N, T, C, rows, dposition_table);
  });
}

void sort_tokens(const Context& context, int64_t N, const int32_t* tokens, uint64_t* keys) {
  const ProfileScope scope(context.profile, "token sort");
  CHECK_MSG(N >> 32 == 0, "N={}", N);
  for (int64_t n = 0; n < N; ++n)
    keys[n] =
        static_cast<uint64_t>(static_cast<uint32_t>(tokens[n])) << 32 | static_cast<uint64_t>(n);
  std::sort(keys, keys + N);  // the place in the low half makes it stable
}

}  // namespace cllm::ops
