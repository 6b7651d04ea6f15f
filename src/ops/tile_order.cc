#include "ops/tile_order.h"

#include "base/check.h"
#include "number/hilbert.h"

namespace cllm::ops {

Tile tile_at(TileOrder order, int64_t first, int64_t second, int64_t index) {
  CHECK_MSG(first >= 1 && second >= 1 && index >= 0 && index < first * second, "{} of {} x {}",
            index, first, second);
  if (order == TileOrder::kStraight) return {index % first, index / first};
  const number::Point cell = number::rectangle_cell(first, second, index);
  return {cell.x, cell.y};
}

}  // namespace cllm::ops
