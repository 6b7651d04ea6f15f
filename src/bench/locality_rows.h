// What the places of a token table's rows cost: the gather of the embedding and the scatter-add of
// its gradient, for rows in several orders, pages of two sizes, and the batch's tokens as they come
// or sorted.
#pragma once

#include <cstdint>
#include <vector>

#include "bench/locality_tokens.h"
#include "bench/paged_floats.h"
#include "bench/report.h"
#include "ops/context.h"
#include "tensor/arena.h"

namespace cllm::bench {

// Those of training (ops/embedding.h): with parallel.token_order = batch the gather and the
// scatter, with sorted the sort and both of sorted tokens.
enum class RowWork { kGather, kSortedGather, kSort, kScatter, kSortedScatter };
inline constexpr RowWork kRowWorks[] = {RowWork::kGather, RowWork::kSortedGather, RowWork::kSort,
                                        RowWork::kScatter, RowWork::kSortedScatter};
const char* row_work_name(RowWork work);

// A table [V, C] on pages of one size and the batches of N tokens that use it. Not thread-safe.
class RowProblem {
 public:
  // Error (kMemory).
  RowProblem(const ops::Context& context, int64_t V, int64_t C, int64_t N, Pages pages);

  // tokens [N]; keys [N] = those of ops::sort_tokens, or null.
  void gather(const int32_t* tokens, const uint64_t* keys);
  void sort(const int32_t* tokens, uint64_t* keys);
  void scatter(const int32_t* tokens, const uint64_t* keys);

  // Whether both orders gather and scatter the same bits of this batch. The table is zero then.
  bool orders_agree(const int32_t* tokens, const uint64_t* keys);

  double huge_share() const { return table_.huge_share(); }

 private:
  const ops::Context& context_;
  int64_t C_, N_;
  PagedFloats table_;
  Arena x_;  // rows of the batch, gathered or to be scattered
};

struct RowsWanted {
  std::vector<int64_t> widths;  // C
  int64_t batch = 0;            // N
};

// Appends a result per work, width, size of pages and order, in ns per token, and a table of them.
// A sample is the median over the batches of the stream, which has at least one.
void measure_rows(const ops::Context& context, const TokenStream& stream, const RowsWanted& wanted,
                  int rounds, const Progressed& progress, Report& report);

}  // namespace cllm::bench
