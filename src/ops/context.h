// What every operation needs to run: threads and the kernels of one instruction set. Passed by
// reference, owned by the program; tests make one per table and thread count.
#pragma once

#include "kernels/table.h"
#include "ops/gemm_blocking.h"
#include "ops/profile.h"
#include "ops/tile_order.h"
#include "threads/pool.h"

namespace cllm::ops {

struct Context {
  ThreadPool& pool;
  const kernels::Table& kernels;
  Profile* profile = nullptr;  // times the operations; not owned
  GemmBlocking blocking = GemmBlocking::computed();
  TileOrder tiles = TileOrder::kStraight;  // of products and attention
};

}  // namespace cllm::ops
