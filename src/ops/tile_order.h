// In what order the tiles of a grid become tasks. A worker runs neighbouring tasks, so neighbours
// should share operands: straight, all tiles of a column before the next, keep one operand; along
// Hilbert's curve, generalised to any rectangle (number/hilbert.h), both operands stay for a while.
// A tile writes only what is its own, so the order never touches the bits of a result.
#pragma once

#include <cstdint>

namespace cllm::ops {

enum class TileOrder { kStraight, kHilbert };

struct Tile {
  int64_t first = 0, second = 0;
  bool operator==(const Tile&) const = default;
};

// The place of task `index`, 0 <= index < first * second, in the grid of these sides; both at least
// 1. Straight: `first` runs fastest. O(1), or O(log(first * second)). Pure and thread-safe.
Tile tile_at(TileOrder order, int64_t first, int64_t second, int64_t index);

}  // namespace cllm::ops
