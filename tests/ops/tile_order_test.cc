#include "ops/tile_order.h"

#include <algorithm>
#include <cstdlib>
#include <set>
#include <utility>

#include "ops/attention_problem.h"
#include "ops/gemm_problem.h"

namespace cllm::ops {
namespace {

std::vector<Tile> all_tiles(TileOrder order, int64_t first, int64_t second) {
  std::vector<Tile> tiles;
  for (int64_t i = 0; i < first * second; ++i)
    tiles.push_back(tile_at(order, first, second, i));
  return tiles;
}

bool holds_every_tile(const std::vector<Tile>& tiles, int64_t first, int64_t second) {
  std::set<std::pair<int64_t, int64_t>> seen;
  for (const Tile& tile : tiles)
    if (tile.first >= 0 && tile.first < first && tile.second >= 0 && tile.second < second)
      seen.emplace(tile.first, tile.second);
  return std::ssize(tiles) == first * second && std::ssize(seen) == first * second;
}

// Steps that are not to one of the four neighbours, and of these the longest.
std::pair<int, int64_t> leaps(const std::vector<Tile>& tiles) {
  std::pair<int, int64_t> result{0, 0};
  for (size_t i = 1; i < tiles.size(); ++i) {
    const int64_t x = std::abs(tiles[i].first - tiles[i - 1].first);
    const int64_t y = std::abs(tiles[i].second - tiles[i - 1].second);
    if (x + y == 1) continue;
    ++result.first;
    result.second = std::max({result.second, x, y});
  }
  return result;
}

TEST(TileOrder, StraightRunsAlongTheFirstSide) {
  EXPECT_EQ(all_tiles(TileOrder::kStraight, 2, 3),
            (std::vector<Tile>{{0, 0}, {1, 0}, {0, 1}, {1, 1}, {0, 2}, {1, 2}}));
}

TEST(TileOrder, TheFirstHilbertCurveByHand) {
  EXPECT_EQ(all_tiles(TileOrder::kHilbert, 2, 2),
            (std::vector<Tile>{{0, 0}, {0, 1}, {1, 1}, {1, 0}}));
}

// One diagonal step is needed where the longer side is odd and the shorter even.
TEST(TileOrder, HilbertVisitsEveryTileOnceAndNeverLeaps) {
  for (int64_t first = 1; first <= 13; ++first)
    for (int64_t second = 1; second <= 13; ++second) {
      SCOPED_TRACE(fmt::format("{} x {}", first, second));
      const std::vector<Tile> tiles = all_tiles(TileOrder::kHilbert, first, second);
      EXPECT_TRUE(holds_every_tile(tiles, first, second));
      const auto [count, longest] = leaps(tiles);
      EXPECT_LE(count, 1);
      EXPECT_LE(longest, 1);
    }
}

// What the two tests above must reject.
TEST(TileOrder, TheChecksSeeALeapAndADoubleTile) {
  EXPECT_GT(leaps(all_tiles(TileOrder::kStraight, 5, 5)).first, 1);
  EXPECT_FALSE(holds_every_tile({{0, 0}, {1, 0}, {0, 0}, {1, 1}}, 2, 2));
}

Context with_tiles(const Context& context, TileOrder order) {
  Context copy = context;
  copy.tiles = order;
  return copy;
}

// Shapes of several tasks in both directions; packed once for all and by each task, a split depth,
// several blocks of depth.
TEST(TileOrder, ProductsHaveTheSameBits) {
  struct Product {
    int64_t m, n, k;
    bool a_transposed, accumulate, packed;
    Storage storage;
  };
  const Product products[] = {{300, 400, 70, false, false, false, Storage::kFp32},
                              {160, 210, 500, false, false, true, Storage::kFp32},
                              {300, 400, 70, false, false, false, Storage::kBf16},
                              {120, 210, 800, true, true, false, Storage::kFp32}};
  testing::for_each_context([&](const Context& context) {
    const Context straight = with_tiles(context, TileOrder::kStraight);
    const Context hilbert = with_tiles(context, TileOrder::kHilbert);
    testing::Scratch scratch(context);
    for (const Product& product : products) {
      SCOPED_TRACE(fmt::format("{} x {} x {}", product.m, product.n, product.k));
      testing::Flags flags;
      flags.a_transposed = product.a_transposed, flags.accumulate = product.accumulate;
      flags.packed = product.packed;
      flags.compute = compute_for(context, product.storage);
      testing::Problem one(product.storage, product.m, product.n, product.k, flags), two = one;
      one.run(straight, scratch);
      two.run(hilbert, scratch);
      EXPECT_TRUE(one.c() == two.c());
    }
  });
}

TEST(TileOrder, SwigluHasTheSameBits) {
  constexpr int64_t m = 200, F = 150, k = 30;
  const std::vector<float> a = random_vector(m * k, 1), b = random_vector(k * 2 * F, 2);
  testing::for_each_context([&](const Context& context) {
    std::vector<float> results[2];
    for (const TileOrder order : {TileOrder::kStraight, TileOrder::kHilbert}) {
      const Context ordered = with_tiles(context, order);
      std::vector<float>& c = results[static_cast<size_t>(order)];
      c.resize(m * F);
      Gemm call;
      call.m = m, call.n = 2 * F, call.k = k;
      call.a = a.data(), call.lda = k;
      call.b = b.data(), call.ldb = 2 * F;
      call.c = c.data(), call.ldc = F;
      call.epilogue.activation = Activation::kSwiglu;
      testing::Aligned scratch(static_cast<int64_t>(gemm_scratch(ordered, call)));
      gemm(ordered, call, scratch.data());
    }
    EXPECT_TRUE(testing::same_bits(results[0], results[1]));
  });
}

// By heads, and by blocks where there are few.
TEST(TileOrder, AttentionHasTheSameBits) {
  for (const Case& c : {Case(3, 100, 100, 4, 2, 8), Case(1, 200, 200, 4, 2, 8, 0.1f)})
    testing::for_each_context([&](const Context& context) {
      const Results one = run(with_tiles(context, TileOrder::kStraight), c);
      const Results two = run(with_tiles(context, TileOrder::kHilbert), c);
      EXPECT_TRUE(testing::same_bits(one.all(), two.all()));
    });
}

}  // namespace
}  // namespace cllm::ops
