// What every operation needs to run: threads and the kernels of one instruction set. Passed by
// reference, owned by the program; tests make one per table and thread count.
#pragma once

#include "kernels/table.h"
#include "ops/gemm_blocking.h"
#include "ops/profile.h"
#include "ops/tile_order.h"
#include "ops/token_order.h"
#include "threads/pool.h"

namespace cllm::ops {

struct Context {
  ThreadPool& pool;
  const kernels::Table& kernels;
  Profile* profile = nullptr;  // times the operations; not owned
  GemmBlocking blocking = GemmBlocking::computed();
  TileOrder tiles = TileOrder::kStraight;  // of products and attention
  TokenOrder tokens = TokenOrder::kBatch;  // that rows of token tables are used in

  // The same on other threads, not timed.
  Context on(ThreadPool& others) const {
    return {others, kernels, nullptr, blocking, tiles, tokens};
  }
};

}  // namespace cllm::ops
