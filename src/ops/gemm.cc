#include "ops/gemm.h"

#include <algorithm>

#include "base/check.h"

namespace cllm::ops {
namespace {

using kernels::GemmKernels;
using kernels::GemmTile;

// Cache blocks, in elements. A panel of B is at most kBlockK deep; a task covers a group of at most
// kGroupColumns columns, so that its part of B (kBlockK x kGroupColumns, 576 KiB) stays in a second
// level cache of 1 MiB beside kTaskTiles tiles of A.
constexpr int64_t kBlockK = 384;
constexpr int64_t kGroupColumns = 384;
constexpr int64_t kTaskTiles = 8;
// What is packed between two barriers: at most kPackedB elements (8 MiB, a part of the third level
// cache) of B, and as many of a transposed A. Small K blocks are packed several at a time, up to
// kPackedTogether elements of both: a task adds them up while its part of C is warm. More together
// costs dW 1536 x 384 x 2048 a fifth on 4 cores, because what was packed has left their caches.
constexpr int64_t kPackedB = int64_t{2} << 20;
constexpr int64_t kPackedA = kPackedB;
constexpr int64_t kPackedTogether = int64_t{1} << 20;
// Enough tasks for even shares on many threads, as far as tiles go.
constexpr int64_t kWantedTasks = 32;
// Fewer tasks than this are cut by columns too, although each then packs its part of A again.
constexpr int64_t kFewTasks = 8;
// Up to this many rows packing B costs more than it saves.
constexpr int64_t kFewRows = GemmKernels::kDotRows;
// Up to this many multiply-adds (some microseconds on one core) threads do not pay.
constexpr int64_t kSerialWork = 1 << 18;

int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

int64_t round_up(int64_t a, int64_t unit) {
  return ceil_div(a, unit) * unit;
}

// The size of even shares of `count`, each at most `most`.
int64_t even_share(int64_t count, int64_t most) {
  return ceil_div(count, ceil_div(count, most));
}

// Of the part of A that one task packs for itself.
int64_t packed_part_floats(const GemmKernels& kernels) {
  return kTaskTiles * kernels.rows * kBlockK;
}

template <class Body>
void run_tasks(ThreadPool& pool, const Gemm& call, int64_t tasks, const Body& body) {
  if (call.m * call.n * call.k > kSerialWork) return pool.parallel_for(tasks, body);
  for (int64_t task = 0; task < tasks; ++task)
    body(task, 0);
}

// The result side of a tile at (row, column). K blocks add up in C; the epilogue comes with the
// last. A residual without an activation is what the first block starts from, so that it may be C
// itself.
void set_result(const Gemm& call, int64_t row, int64_t column, bool first_block, bool last_block,
                GemmTile& tile) {
  const Epilogue& epilogue = call.epilogue;
  const int64_t offset = row * call.ldc + column;
  const auto at = [offset](auto* matrix) { return matrix == nullptr ? matrix : matrix + offset; };
  const bool active = epilogue.activation != Activation::kNone;
  tile.c = call.c + offset;
  tile.ldc = call.ldc;
  if (!first_block || call.accumulate)
    tile.start = tile.c;
  else if (!active)
    tile.start = at(epilogue.residual);
  if (!last_block) return;
  if (epilogue.bias != nullptr) tile.bias = epilogue.bias + column;
  tile.activation = epilogue.activation;
  if (!active) return;
  tile.auxiliary = at(epilogue.auxiliary);
  tile.residual = at(epilogue.residual);
}

// How a product is cut. A function of the shape, the flags and the kernel table only.
struct Plan {
  int64_t k_block, k_blocks;           // depth of a panel, number of them over k
  int64_t chunk_blocks, chunk_panels;  // what of B is packed between two barriers
  int64_t task_rows, task_panels;      // the part of C of one task
  bool b_in_place;                     // full panels of B are read where they are
  bool a_shared;  // a transposed A is packed with B, once for all column groups, else by each task

  Plan(const GemmKernels& kernels, const Gemm& call) {
    // Even blocks; multiples of 16 keep every packed block on a cache line.
    const int64_t k = std::max<int64_t>(1, call.k);
    k_block = round_up(even_share(k, kBlockK), 16);
    k_blocks = ceil_div(k, k_block);
    const int64_t panels = ceil_div(call.n, kernels.columns);
    const int64_t tiles = ceil_div(call.m, kernels.rows);
    const int64_t of_a = call.a_transposed ? tiles * kernels.rows : 0;
    const int64_t together = kPackedTogether / ((panels * kernels.columns + of_a) * k_block);
    chunk_blocks = even_share(k_blocks, std::max<int64_t>(1, together));
    chunk_panels = even_share(panels, kPackedB / (k_block * chunk_blocks * kernels.columns));
    b_in_place = !call.b_transposed && call.m <= kFewRows;

    int64_t groups = ceil_div(chunk_panels * kernels.columns, kGroupColumns);
    if (tiles * groups < kFewTasks) groups = chunk_panels;
    task_panels = ceil_div(chunk_panels, groups);
    task_rows = std::clamp<int64_t>(tiles * groups / kWantedTasks, 1, kTaskTiles) * kernels.rows;
    // In dW 768 x 768 x 8192, two groups, packing A for each took 6 % of a core's time.
    a_shared = call.a_transposed && groups > 1 &&
               tiles * kernels.rows * k_block * chunk_blocks <= kPackedA;
  }
};

// One product on its way: the plan, the scratch, and the two phases between barriers.
class Product {
 public:
  Product(const Context& context, const Gemm& call, float* scratch)
      : pool_(context.pool),
        kernels_(context.kernels.gemm),
        call_(call),
        plan_(kernels_, call),
        packed_b_(scratch),
        packed_a_(scratch + kPackedB),
        packed_parts_(packed_a_ + kPackedA) {}

  void run() const {
    const int64_t panels = ceil_div(call_.n, kernels_.columns);
    for (int64_t panel = 0; panel < panels; panel += plan_.chunk_panels)
      for (int64_t block = 0; block < plan_.k_blocks; block += plan_.chunk_blocks)
        run_chunk({panel, std::min(plan_.chunk_panels, panels - panel), block,
                   std::min(plan_.chunk_blocks, plan_.k_blocks - block)});
  }

 private:
  struct Chunk {
    int64_t panel, panels;  // first one and how many, of n
    int64_t block, blocks;  // of k
  };

  void run_chunk(const Chunk& chunk) const {
    const int64_t bands = ceil_div(call_.m, plan_.task_rows);
    const int64_t of_b = in_place(chunk.panel + chunk.panels - 1) ? 0 : chunk.panels * chunk.blocks;
    const int64_t of_a = plan_.a_shared ? bands * chunk.blocks : 0;
    run_tasks(pool_, call_, of_b + of_a, [&](int64_t task, int) {
      task < of_b ? pack_panel(chunk, task) : pack_band(chunk, task - of_b);
    });
    run_tasks(pool_, call_, ceil_div(chunk.panels, plan_.task_panels) * bands,
              [&](int64_t task, int worker) {
                compute_part(chunk, task / bands, task % bands,
                             packed_parts_ + worker * packed_part_floats(kernels_));
              });
  }

  int64_t depth(int64_t block) const {
    return std::min(call_.k - block * plan_.k_block, plan_.k_block);
  }

  bool in_place(int64_t panel) const {
    return plan_.b_in_place && (panel + 1) * kernels_.columns <= call_.n;
  }

  const float* b_at(int64_t p, int64_t column) const {
    return call_.b + (call_.b_transposed ? column * call_.ldb + p : p * call_.ldb + column);
  }

  float* packed_panel(int64_t index) const {
    return packed_b_ + index * plan_.k_block * kernels_.columns;
  }

  void pack_panel(const Chunk& chunk, int64_t index) const {
    const int64_t block = chunk.block + index / chunk.panels;
    const int64_t panel = chunk.panel + index % chunk.panels;
    if (in_place(panel)) return;
    const int64_t column = panel * kernels_.columns;
    const int64_t count = std::min(kernels_.columns, call_.n - column);
    const auto pack = call_.b_transposed ? kernels_.pack_columns_transposed : kernels_.pack_columns;
    pack(depth(block), count, b_at(block * plan_.k_block, column), call_.ldb, packed_panel(index));
  }

  // Elements of one packed tile of A, and of all tiles of one K block.
  int64_t tile_floats() const { return kernels_.rows * plan_.k_block; }
  int64_t block_floats() const { return ceil_div(call_.m, kernels_.rows) * tile_floats(); }

  void pack_rows(int64_t k_index, int64_t row, int64_t rows, float* packed) const {
    const float* a = call_.a + k_index * plan_.k_block * call_.lda + row;
    kernels_.pack_rows_transposed(depth(k_index), rows, a, call_.lda, packed, tile_floats());
  }

  void pack_band(const Chunk& chunk, int64_t index) const {
    const int64_t block = index % chunk.blocks, row = index / chunk.blocks * plan_.task_rows;
    pack_rows(chunk.block + block, row, std::min(plan_.task_rows, call_.m - row),
              packed_a_ + block * block_floats() + row / kernels_.rows * tile_floats());
  }

  // Tasks with the same columns are neighbours: a worker keeps its part of B in its cache.
  void compute_part(const Chunk& chunk, int64_t group, int64_t band, float* packed_part) const {
    const int64_t row = band * plan_.task_rows, panel = group * plan_.task_panels;
    const int64_t rows = std::min(plan_.task_rows, call_.m - row);
    const int64_t panel_end = std::min(panel + plan_.task_panels, chunk.panels);
    for (int64_t block = 0; block < chunk.blocks; ++block) {
      const PartOfA a = part_of_a(chunk, block, row, rows, packed_part);
      for (int64_t i = 0; i < rows; i += kernels_.rows)
        for (int64_t j = panel; j < panel_end; ++j)
          compute_tile(chunk, block, row + i, j, a, i);
    }
  }

  // Element (r, p) of a part of A is data[r * row + p * step] within a tile of rows.
  struct PartOfA {
    const float* data;
    int64_t row, step, tile;
  };

  // Packed if it is transposed in memory, else in place.
  PartOfA part_of_a(const Chunk& chunk, int64_t block, int64_t row, int64_t rows,
                    float* packed_part) const {
    const int64_t k_index = chunk.block + block, lda = call_.lda;
    if (!call_.a_transposed)
      return {call_.a + row * lda + k_index * plan_.k_block, lda, 1, lda * kernels_.rows};
    if (plan_.a_shared)
      return {packed_a_ + block * block_floats() + row / kernels_.rows * tile_floats(), 1,
              kernels_.rows, tile_floats()};
    pack_rows(k_index, row, rows, packed_part);
    return {packed_part, 1, kernels_.rows, tile_floats()};
  }

  void compute_tile(const Chunk& chunk, int64_t block, int64_t row, int64_t j, const PartOfA& a,
                    int64_t row_in_part) const {
    const int64_t k_index = chunk.block + block, column = (chunk.panel + j) * kernels_.columns;
    const bool direct = in_place(chunk.panel + j);
    GemmTile tile;
    tile.rows = std::min(kernels_.rows, call_.m - row);
    tile.columns = std::min(kernels_.columns, call_.n - column);
    tile.k = depth(k_index);
    tile.a = a.data + row_in_part / kernels_.rows * a.tile;
    tile.a_row = a.row;
    tile.a_step = a.step;
    tile.b =
        direct ? b_at(k_index * plan_.k_block, column) : packed_panel(block * chunk.panels + j);
    tile.b_stride = direct ? call_.ldb : kernels_.columns;
    set_result(call_, row, column, k_index == 0, k_index == plan_.k_blocks - 1, tile);
    kernels_.tile(tile);
  }

  ThreadPool& pool_;
  const GemmKernels& kernels_;
  const Gemm& call_;
  const Plan plan_;
  float* packed_b_;      // [blocks of chunk][panels of chunk][k_block][columns of a panel]
  float* packed_a_;      // [blocks of chunk][tiles of m][k_block][rows of a tile]
  float* packed_parts_;  // [worker][tiles of a task][k_block][rows of a tile]
};

// Few rows and B transposed in memory (a row of activations times a weight matrix): bound by
// reading B once, so B is read in place and each element is a dot product.
void run_dots(const Context& context, const Gemm& call) {
  const int64_t tasks = ceil_div(call.n, GemmKernels::kDotColumns);
  run_tasks(context.pool, call, tasks, [&](int64_t task, int) {
    const int64_t column = task * GemmKernels::kDotColumns;
    GemmTile tile;
    tile.rows = call.m;
    tile.columns = std::min(GemmKernels::kDotColumns, call.n - column);
    tile.k = call.k;
    tile.a = call.a;
    tile.a_row = call.lda;
    tile.a_step = 1;
    tile.b = call.b + column * call.ldb;
    tile.b_stride = call.ldb;
    set_result(call, 0, column, true, true, tile);
    context.kernels.gemm.dots(tile);
  });
}

void check_call(const Gemm& call) {
  CHECK_MSG(call.m >= 0 && call.n >= 0 && call.k >= 0, "m={} n={} k={}", call.m, call.n, call.k);
  CHECK_MSG(call.lda >= (call.a_transposed ? call.m : call.k), "lda={} m={} k={}", call.lda, call.m,
            call.k);
  CHECK_MSG(call.ldb >= (call.b_transposed ? call.k : call.n), "ldb={} n={} k={}", call.ldb, call.n,
            call.k);
  CHECK_MSG(call.ldc >= call.n, "ldc={} n={}", call.ldc, call.n);
  const Epilogue& epilogue = call.epilogue;
  const bool active = epilogue.activation != Activation::kNone;
  const bool backward = epilogue.activation == Activation::kGeluBackward ||
                        epilogue.activation == Activation::kRelu2Backward;
  const bool empty = epilogue.bias == nullptr && !active && epilogue.residual == nullptr;
  CHECK_MSG(empty || !call.accumulate, "accumulate with an epilogue");
  CHECK_MSG(!backward || epilogue.auxiliary != nullptr, "no auxiliary for a derivative");
  CHECK_MSG(!active || (epilogue.residual != call.c && epilogue.auxiliary != call.c),
            "c is also an operand of its epilogue");
}

// The product of a linear layer that this is.
std::string_view product_name(const Gemm& call) {
  if (call.a_transposed) return "product dW";
  return call.b_transposed ? "product forward" : "product dX";
}

}  // namespace

size_t gemm_scratch(const Context& context) {
  return static_cast<size_t>(kPackedB + kPackedA +
                             context.pool.size() * packed_part_floats(context.kernels.gemm));
}

void gemm(const Context& context, const Gemm& original, float* scratch) {
  const ProfileScope scope(context.profile, product_name(original));
  check_call(original);
  Gemm call = original;
  if (call.m == 0 || call.n == 0 || (call.k == 0 && call.accumulate)) return;
  if (call.k == 0) {  // a and b may be null: let every address be their first element
    call.a_transposed = false, call.b_transposed = true;
    call.lda = call.ldb = 0;
  }
  if (call.m <= kFewRows && call.b_transposed && !call.a_transposed)
    run_dots(context, call);
  else
    Product(context, call, scratch).run();
}

}  // namespace cllm::ops
