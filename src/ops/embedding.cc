#include "ops/embedding.h"

#include <algorithm>

#include "base/check.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

// The scatter is cut into tasks of kSortedRows places in the sorted order by kColumns columns, so
// that one frequent token (a space) does not leave all its work to one thread.
constexpr int64_t kSortedRows = 64;
constexpr int64_t kColumns = 64;

uint64_t sort_key(int32_t token, int64_t row) {
  return static_cast<uint64_t>(static_cast<uint32_t>(token)) << 32 | static_cast<uint64_t>(row);
}
int64_t token_of(uint64_t key) {
  return static_cast<int64_t>(key >> 32);
}
int64_t row_of(uint64_t key) {
  return static_cast<int64_t>(key & 0xffffffffu);
}

// Adds the rows of every token whose first sorted place lies in [begin, end).
template <class S>
void scatter(const kernels::RowKernels<S>& kernels, const uint64_t* keys, int64_t N, int64_t begin,
             int64_t end, int64_t C, int64_t columns, const S* dx, float* dtoken_table) {
  int64_t place = begin;
  while (place > 0 && place < N && token_of(keys[place]) == token_of(keys[place - 1]))
    ++place;  // these belong to the task of the token's first place
  const bool owns_any = place < end;
  for (; owns_any && place < N; ++place) {
    if (place >= end && token_of(keys[place]) != token_of(keys[place - 1])) break;
    kernels.accumulate(columns, dx + row_of(keys[place]) * C,
                       dtoken_table + token_of(keys[place]) * C);
  }
}

// dtoken_table [V, C] += . keys [N]: scratch.
template <class S>
void add_by_token(const Context& context, int64_t N, int64_t C, const int32_t* tokens,
                  const S* rows, float* dtoken_table, uint64_t* keys) {
  for (int64_t n = 0; n < N; ++n)
    keys[n] = sort_key(tokens[n], n);
  std::sort(keys, keys + N);  // the row in the low half makes it stable; allocates nothing
  const int64_t groups = (N + kSortedRows - 1) / kSortedRows;
  const int64_t column_groups = (C + kColumns - 1) / kColumns;
  context.pool.parallel_for(groups * column_groups, [&](int64_t task, int) {
    const int64_t begin = task / column_groups * kSortedRows;
    const int64_t column = task % column_groups * kColumns;
    scatter(context.kernels.of<S>().rows, keys, N, begin, std::min(N, begin + kSortedRows), C,
            std::min(kColumns, C - column), rows + column, dtoken_table + column);
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
                        float* dposition_table, void* scratch) {
  const ProfileScope scope(context.profile, "embedding backward");
  CHECK_MSG(T >= 1 && N >> 32 == 0, "T={} N={}", T, N);
  with_storage(dx.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* rows = dx.as<S>();
    if (dtoken_table != nullptr)
      add_by_token(context, N, C, tokens, rows, dtoken_table, static_cast<uint64_t*>(scratch));
    if (dposition_table != nullptr) add_by_position(context, N, T, C, rows, dposition_table);
  });
}

size_t embedding_scratch(int64_t N) {
  return static_cast<size_t>(N) * sizeof(uint64_t);
}

}  // namespace cllm::ops
