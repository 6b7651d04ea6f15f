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

// gather and scatter are those of training (ops/embedding.h). "gather of sorted tokens" and "sort"
// are parts of a gather that would sort; "sort and scatter" gives every row of the table one
// writer.
enum class RowWork { kGather, kSortedGather, kSort, kScatter, kSortedScatter };
inline constexpr RowWork kRowWorks[] = {RowWork::kGather, RowWork::kSortedGather, RowWork::kSort,
                                        RowWork::kScatter, RowWork::kSortedScatter};
const char* row_work_name(RowWork work);

// A table [V, C] on pages of one size and the batches of N tokens that use it. Not thread-safe.
class RowProblem {
 public:
  // Error (kMemory).
  RowProblem(const ops::Context& context, int64_t V, int64_t C, int64_t N, Pages pages);

  // tokens [N]; keys [N] = token * 2^32 + place, sorted.
  void gather(const int32_t* tokens);
  void gather_sorted(const uint64_t* keys);
  static void sort(const int32_t* tokens, int64_t N, uint64_t* keys);
  void scatter(const int32_t* tokens);
  void scatter_sorted(const int32_t* tokens);

  // "" if both gathers and both scatters of this batch give the same bits, else which do not. The
  // table is zero then.
  std::string differing_results(const int32_t* tokens);

  double huge_share() const { return table_.huge_share(); }

 private:
  const ops::Context& context_;
  int64_t C_, N_;
  PagedFloats table_;
  Arena x_;  // rows of the batch, gathered or to be scattered
  std::vector<uint64_t> keys_;
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
