// What a program needs to run models: the threads, the kernels and the tile sizes of this
// machine, chosen once.
#pragma once

#include <string>

#include "kernels/table.h"
#include "model/gemm_memory.h"
#include "ops/context.h"
#include "threads/topology.h"

namespace cllm {

// Owns the thread pool. One per program; not movable, since contexts refer to it.
class Engine {
 public:
  // threads: 0 = choose, see choose_threads. Error (kUsage) for an impossible wish (also of
  // CLLM_ISA). tiles: the order of the tasks of products and attention (ops/tile_order.h); tokens:
  // that of a batch's rows of token tables (ops/token_order.h).
  explicit Engine(int threads, ops::TileOrder tiles = ops::TileOrder::kStraight,
                  ops::TokenOrder tokens = ops::TokenOrder::kBatch)
      : threads_(choose_threads(threads)),
        pool_(threads_.count),
        blocking_(choose_blocking(kernels::chosen_table())),
        context_{pool_, kernels::chosen_table(), nullptr, blocking_.blocking, tiles, tokens} {}
  Engine(const Engine&) = delete;
  Engine& operator=(const Engine&) = delete;

  const ops::Context& context() const { return context_; }
  const ThreadBudget& threads() const { return threads_; }
  const ChosenBlocking& blocking() const { return blocking_; }
  // "4 threads (4 physical cores in the affinity mask, no cgroup quota), avx512 (the fastest this
  // CPU supports)"
  std::string description() const;

 private:
  ThreadBudget threads_;
  ThreadPool pool_;
  ChosenBlocking blocking_;
  ops::Context context_;
};

}  // namespace cllm
