// The order of tiles (ops/tile_order.h) of matrix products and of attention's forward: straight
// against Hilbert's curve, in turns, on the shapes of docs/performance.md.
#pragma once

#include <vector>

#include "bench/gemm_shapes.h"
#include "bench/presets.h"
#include "bench/report.h"
#include "ops/context.h"

namespace cllm::bench {

// Appends two results, in GFLOP/s, per shape and precision, and a table. CHECK if the orders differ
// in a bit of C. Error (kMemory).
void measure_product_tiles(const ops::Context& context, const std::vector<GemmShape>& shapes,
                           int rounds, const Progressed& progress, Report& report);

// The same per preset for attention's forward in fp32. Its backward has a task per sequence and
// head at these shapes, which share nothing.
void measure_attention_tiles(const ops::Context& context, const std::vector<BenchPreset>& presets,
                             int rounds, const Progressed& progress, Report& report);

}  // namespace cllm::bench
