#include "ops/composite.h"

#include <algorithm>

#include "base/check.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

// Columns that are summed at a time: 1 KiB stays in registers and the first-level cache.
constexpr int64_t kColumns = 256;
// The scatter is cut into tasks of kSorted places in the order of the pieces by kScatterColumns
// columns, so that one frequent piece does not leave all its work to one thread.
constexpr int64_t kSorted = 64, kScatterColumns = 64;

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

// The pairs (piece, row) of a batch by piece, then by row.
struct SortedPieces {
  int32_t* ends;  // [K]: where each piece's rows end
  int32_t* rows;  // [N most]
  int64_t count = 0;

  SortedPieces(int64_t N, const int32_t* tokens, const Codes& codes, void* scratch)
      : ends(static_cast<int32_t*>(scratch)), rows(ends + codes.K) {
    std::fill_n(ends, codes.K, 0);
    const auto for_each = [&](auto body) {
      for (int64_t n = 0; n < N; ++n)
        for (int32_t i = codes.offsets[tokens[n]]; i < codes.offsets[tokens[n] + 1]; ++i)
          body(codes.pieces[i], n);
    };
    for_each([&](int32_t piece, int64_t) { ++ends[piece]; });
    int32_t begin = 0;
    for (int64_t piece = 0; piece < codes.K; ++piece) {
      const int32_t here = ends[piece];
      ends[piece] = begin;
      begin += here;
    }
    for_each([&](int32_t piece, int64_t n) { rows[ends[piece]++] = static_cast<int32_t>(n); });
    count = begin;
  }

  int32_t begin(int64_t piece) const { return piece == 0 ? 0 : ends[piece - 1]; }
};

// Adds the rows of every piece whose first sorted place lies in [begin, end).
template <class S>
void scatter(const kernels::RowKernels<S>& kernels, const SortedPieces& sorted,
             const int32_t* tokens, const Codes& codes, int64_t begin, int64_t end, int64_t C,
             int64_t columns, const S* dx, float* dtable) {
  alignas(64) float row[kScatterColumns];
  int64_t piece = std::upper_bound(sorted.ends, sorted.ends + codes.K, begin) - sorted.ends;
  for (; piece < codes.K && sorted.begin(piece) < end; ++piece) {
    if (sorted.begin(piece) < begin) continue;  // of the task of its first place
    float* const out = dtable + piece * C;
    for (int32_t place = sorted.begin(piece); place < sorted.ends[piece]; ++place) {
      const int32_t n = sorted.rows[place];
      const float scale = codes.scales[tokens[n]];
      kernels.widen(columns, dx + n * C, row);
      for (int64_t c = 0; c < columns; ++c)
        out[c] += scale * row[c];
    }
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
                        const Codes& codes, ConstValues dx, float* dtable, void* scratch) {
  const ProfileScope scope(context.profile, "embedding backward");
  CHECK_MSG(N * codes.most <= INT32_MAX, "N={} most={}", N, codes.most);
  const SortedPieces sorted(N, tokens, codes, scratch);
  const int64_t groups = (sorted.count + kSorted - 1) / kSorted;
  const int64_t column_groups = (C + kScatterColumns - 1) / kScatterColumns;
  with_storage(dx.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* rows = dx.as<S>();
    context.pool.parallel_for(groups * column_groups, [&](int64_t task, int) {
      const int64_t begin = task / column_groups * kSorted;
      const int64_t column = task % column_groups * kScatterColumns;
      scatter(context.kernels.of<S>().rows, sorted, tokens, codes, begin, begin + kSorted, C,
              std::min(kScatterColumns, C - column), rows + column, dtable + column);
    });
  });
}

size_t composite_scratch(int64_t N, const Codes& codes) {
  return static_cast<size_t>(codes.K + N * codes.most) * sizeof(int32_t);
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
