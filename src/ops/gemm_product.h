// One product on its way through chunks, tasks, blocks of depth and register tiles. Internal to
// ops/gemm.
#pragma once

#include <cstdint>

#include "ops/gemm_plan.h"

namespace cllm::ops {

// The kernels of a kind of words; a CHECK if the table has none.
const kernels::GemmWords& gemm_words(const Context& context, Compute compute);

// Words between neighbouring strips of `steps` steps.
int64_t gemm_strip_floats(const kernels::GemmKernels& kernels, int64_t steps);

// Where the tile at (row, column) goes.
kernels::GemmResult gemm_result(const Gemm& call, int64_t row, int64_t column);

template <class Body>
void run_gemm_tasks(ThreadPool& pool, const Gemm& call, int64_t tasks, const Body& body) {
  if (call.m * call.n * call.k > kSerialWork) return pool.parallel_for(tasks, body);
  for (int64_t task = 0; task < tasks; ++task)
    body(task, 0);
}

class GemmProduct {
 public:
  // scratch: as for gemm().
  GemmProduct(const Context& context, Compute compute, const Gemm& call, float* scratch);
  void run() const;

 private:
  // A part of C, and blocks of depth.
  struct Part {
    int64_t row, rows, column, columns, block, blocks;
    float* sums = nullptr;  // [m, n]: where a block of a split depth goes in place of C
  };
  // Packed or not: word (r, p) at byte r * row + p * step; a register tile of rows is `tile` on.
  struct Rows {
    const char* data;
    int64_t row, step, tile;
  };
  // Word (p, j) at j / strip width * strip + p * step + j % strip width.
  struct Strips {
    const float* data;
    int64_t step, strip;
  };

  int64_t steps(int64_t block) const;
  int64_t first_element(int64_t block) const { return block * depth_.block * elements_; }
  int64_t elements(int64_t block) const;

  bool a_in_place(int64_t block) const;
  Rows a_in_place_at(int64_t row, int64_t block) const;
  Rows packed_rows(const float* space, int64_t block) const;
  void pack_rows(int64_t row, int64_t rows, int64_t block, int64_t step, int64_t steps,
                 float* space) const;

  bool b_in_place(int64_t columns) const;
  Strips b_in_place_at(int64_t column, int64_t block) const;
  Strips packed_strips(const float* space, int64_t block) const;
  void pack_strips(int64_t column, int64_t columns, int64_t block, int64_t step, int64_t steps,
                   float* space) const;

  float* shared_rows(int64_t block) const;
  float* shared_strips(int64_t block) const;
  int64_t pieces(bool along_depth, int64_t side) const;
  void pack_shared(const Part& chunk, bool with_strips) const;
  void pack_rows_piece(const Part& chunk, int64_t block, int64_t piece) const;
  void pack_strips_piece(const Part& chunk, int64_t block, int64_t piece) const;

  Rows rows_of(const Part& chunk, int64_t row, int64_t rows, int64_t block, float* space) const;
  Strips strips_of(const Part& chunk, int64_t column, int64_t columns, int64_t block,
                   float* space) const;

  void run_chunk(const Part& chunk) const;
  void run_task(const Part& chunk, const Part& part, float* space) const;
  void multiply(const Part& part, int64_t block, const Rows& a, const Strips& b, float* sums) const;
  bool splits() const;
  void run_split(const SplitCut& cut) const;
  void run_split_task(const Part& part, float* space_a, float* space_b) const;
  void add_sums(const float* sums, int64_t slot, int64_t count) const;
  void run_swiglu() const;
  void run_swiglu_task(int64_t row, int64_t rows, int64_t column, int64_t columns,
                       float* space) const;
  void finish_swiglu(int64_t row, int64_t column, int64_t columns, int64_t shift, int64_t rows,
                     const float* sums) const;
  kernels::GemmResult result_at(int64_t row, int64_t column) const;
  void set_ends(const Part& part, int64_t block, int64_t row, int64_t column, float* sums,
                kernels::GemmTile& tile) const;

  const Context& context_;
  ThreadPool& pool_;
  const kernels::GemmKernels& kernels_;
  const kernels::GemmWords& words_;
  const Gemm& call_;
  const int64_t elements_;  // per step
  const DepthCut depth_;
  const GemmCut cut_;
  const GemmSpace space_;
  const bool a_is_words_;             // without packing
  const kernels::GemmResult result_;  // of the tile at (0, 0)
  const bool c_is_large_;             // for the second level cache
  float* shared_a_;  // [block of the chunk][packed rows]; of a split depth: the sums
  float* shared_b_;  // [block of the chunk][strips]
  float* workers_;   // [worker][A of a block | B of a block | sums of a task]
};

}  // namespace cllm::ops
