#include "ops/composite.h"

#include <algorithm>

#include "base/check.h"
#include "ops/column_shares.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

// Columns that are summed at a time: 1 KiB stays in registers and the first-level cache.
constexpr int64_t kColumns = 256;

// out = scale * (rows of the table) + position
template <class S>
void sum_pieces(const Context& context, const Codes& codes, int32_t token, int64_t C,
                const float* table, const float* position, S* out) {
  const auto& rows = context.kernels.fp32.rows;
  const float scale = codes.scales[token];
  alignas(64) float sum[kColumns];
  for (int64_t c = 0; c < C; c += kColumns) {
    const int64_t n = std::min(kColumns, C - c);
    std::fill_n(sum, n, 0.0f);
    for (int32_t i = codes.offsets[token]; i < codes.offsets[token + 1]; ++i)
      rows.accumulate(n, table + codes.pieces[i] * C + c, sum);
    for (int64_t i = 0; i < n; ++i)
      sum[i] *= scale;
    if (position != nullptr) rows.accumulate(n, position + c, sum);
    context.kernels.of<S>().rows.narrow(n, sum, out + c);
  }
}

// Adds some columns of the rows of dx, times their scales, to the pieces of their tokens.
template <class S>
void scatter(const Context& context, const Codes& codes, int64_t N, int64_t C,
             const int32_t* tokens, int64_t columns, const S* dx, float* dtable) {
  const auto& rows = context.kernels.fp32.rows;
  alignas(64) float row[kColumns];
  for (int64_t n = 0; n < N; ++n)
    for (int64_t c = 0; c < columns; c += kColumns) {
      const int64_t count = std::min(kColumns, columns - c);
      context.kernels.of<S>().rows.widen(count, dx + n * C + c, row);
      for (int64_t i = 0; i < count; ++i)
        row[i] *= codes.scales[tokens[n]];
      for (int32_t i = codes.offsets[tokens[n]]; i < codes.offsets[tokens[n] + 1]; ++i)
        rows.accumulate(count, row, dtable + codes.pieces[i] * C + c);
    }
}

}  // namespace

void composite_forward(const Context& context, int64_t N, int64_t T, int64_t C,
                       const int32_t* tokens, const Codes& codes, const float* table,
                       const float* position_table, Values x) {
  const ProfileScope scope(context.profile, "embedding forward");
  CHECK_MSG(T >= 1, "T={}", T);
  const RowBlocks cut(N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    S* out = x.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      for (int64_t n = cut.begin(block); n < cut.end(block); ++n)
        sum_pieces(context, codes, tokens[n], C, table,
                   position_table == nullptr ? nullptr : position_table + n % T * C, out + n * C);
    });
  });
}

void composite_backward(const Context& context, int64_t N, int64_t C, const int32_t* tokens,
                        const Codes& codes, ConstValues dx, float* dtable) {
  const ProfileScope scope(context.profile, "embedding backward");
  const ColumnShares shares(C, context.pool.size());
  with_storage(dx.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* rows = dx.as<S>();
    context.pool.parallel_for(shares.tasks(), [&](int64_t task, int) {
      const int64_t first = shares.first(task);
      scatter(context, codes, N, C, tokens, shares.count(task), rows + first, dtable + first);
    });
  });
}

void composite_gather(const Context& context, std::span<const int32_t> tokens, const Codes& codes,
                      const DecodeMatrix& table, float* x) {
  const ProfileScope scope(context.profile, "embedding forward");
  const auto& kernels = context.kernels.decode.of(table.type);
  for (const int32_t token : tokens) {
    CHECK_MSG(token >= 0 && token < codes.V, "token {} of {}", token, codes.V);
    std::fill_n(x, table.in, 0.0f);
    for (int32_t i = codes.offsets[token]; i < codes.offsets[token + 1]; ++i) {
      const int32_t row = codes.pieces[i];
      const float scale = table.scale != nullptr ? table.scale[row] : 1.0f;
      kernels.expand(table.in, table.row(row), scale, true, x);
    }
    for (int64_t i = 0; i < table.in; ++i)
      x[i] *= codes.scales[token];
    x += table.in;
  }
}

}  // namespace cllm::ops
