#include "ops/ngram.h"

#include <array>

#include "base/check.h"
#include "ops/row_blocks.h"

namespace cllm::ops {

void ngram_rows(const NgramTable& table, int64_t V, std::span<const int32_t> history,
                std::span<const int32_t> tokens, int32_t* out) {
  CHECK_MSG(table.order >= 1 && table.rows >= 1 && table.rows <= INT32_MAX && V < INT32_MAX,
            "order={} rows={} V={}", table.order, table.rows, V);
  const auto past = std::ssize(history);
  for (int64_t t = 0; t < std::ssize(tokens); ++t) {
    int64_t row = 0;
    for (int64_t place = t + 1 - table.order; place <= t; ++place) {
      int64_t digit = V;
      if (place >= 0)
        digit = tokens[static_cast<size_t>(place)];
      else if (past + place >= 0)
        digit = history[static_cast<size_t>(past + place)];
      row = (row * (V + 1) + digit) % table.rows;
    }
    out[t] = static_cast<int32_t>(row);
  }
}

void sum_table_rows(const Context& context, int64_t N, int64_t C,
                    std::span<const float* const> tables, std::span<const int32_t* const> rows,
                    Values x) {
  const ProfileScope scope(context.profile, "n-gram forward");
  CHECK_MSG(!tables.empty() && tables.size() <= kMostNgramTables && rows.size() == tables.size(),
            "{} tables, {} lists of rows", tables.size(), rows.size());
  const RowBlocks cut(N);
  with_storage(x.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    S* out = x.as<S>();
    context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
      std::array<const float*, kMostNgramTables> terms{};
      for (int64_t n = cut.begin(block); n < cut.end(block); ++n) {
        for (size_t j = 0; j < tables.size(); ++j)
          terms[j] = tables[j] + rows[j][n] * C;
        context.kernels.of<S>().rows.embed(C, std::ssize(tables), terms.data(), out + n * C);
      }
    });
  });
}

}  // namespace cllm::ops
