#include "ops/lattice_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "ops/row_blocks.h"

namespace cllm::ops {
namespace {

using kernels::kCosetBlock;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kExactSum = int64_t{1} << 24;
// Of the grid of a row that is all but zero: products with it are no subnormal numbers.
constexpr int kLeastExponent = -60;
constexpr int64_t kLargestLimit = (int64_t{1} << 15) - 1;

// E8 with doubled coordinates: all even or all odd, the sum of the whole steps even in both.
constexpr double kResidues[2 * kLatticeBlock] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
constexpr int64_t kParities[2] = {0, 0};
constexpr double kWeights[kLatticeBlock] = {1, 1, 1, 1, 1, 1, 1, 1};
constexpr kernels::Cosets kE8 = {.count = 2,
                                 .dimension = kLatticeBlock,
                                 .modulus = 2,
                                 .has_parity = true,
                                 .residues = kResidues,
                                 .parities = kParities,
                                 .weights = kWeights};

// Calls visit(index, value) with twice the nearest points' coordinates, of w[index] in units of the
// step. count: a multiple of kLatticeBlock.
template <class Visit>
void for_each_point(const Context& context, int64_t count, float step, const float* w,
                    const Visit& visit) {
  constexpr int64_t kNumbers = kLatticeBlock * kCosetBlock;
  constexpr double kReach = 2 * static_cast<double>(kLatticeReach);
  std::array<double, kNumbers> targets = {}, points;
  std::array<double, kCosetBlock> distances;
  const double inverse = 2 / static_cast<double>(step);
  for (int64_t first = 0; first < count; first += kNumbers) {
    const int64_t numbers = std::min(kNumbers, count - first);
    const auto place = [](int64_t i) {
      return static_cast<size_t>(i % kLatticeBlock * kCosetBlock + i / kLatticeBlock);
    };
    for (int64_t i = 0; i < numbers; ++i) {
      const double target = inverse * static_cast<double>(w[first + i]);
      targets[place(i)] = std::isfinite(target) ? std::clamp(target, -kReach, kReach) : kNan;
    }
    context.kernels.coset.nearest(kE8, targets.data(), points.data(), distances.data());
    for (int64_t i = 0; i < numbers; ++i)
      visit(first + i, std::isnan(distances[static_cast<size_t>(i / kLatticeBlock)])
                           ? double{kNan}
                           : points[place(i)]);
  }
}

// body(first number, how many) for blocks of rows.
template <class Body>
void for_row_blocks(const Context& context, int64_t rows, int64_t C, const Body& body) {
  CHECK_MSG(C % kLatticeBlock == 0, "C={}", C);
  const RowBlocks cut(rows);
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    body(cut.begin(block) * C, (cut.end(block) - cut.begin(block)) * C);
  });
}

// The grid of a row: the least power of two that leaves its numbers within the limit; NaN if one is
// none.
float grid_of(int64_t C, int64_t limit, const float* x) {
  float most = 0;
  for (int64_t c = 0; c < C; ++c) {
    if (!std::isfinite(x[c])) return kNan;
    most = std::max(most, std::abs(x[c]));
  }
  // most = m 2^exponent with m in [1/2, 1), so 2^exponent / (limit + 1) leaves numbers of less than
  // limit + 1/2, or just above: then the next one does.
  int exponent = 0;
  std::frexp(most, &exponent);
  const float grid =
      std::ldexp(1 / static_cast<float>(limit + 1), std::max(exponent, kLeastExponent));
  return std::nearbyint(most / grid) > static_cast<float>(limit) ? 2 * grid : grid;
}

}  // namespace

void lattice_round(const Context& context, int64_t rows, int64_t C, float step, const float* w,
                   float* rounded) {
  const ProfileScope scope(context.profile, "lattice rounding");
  const float half = step / 2;
  for_row_blocks(context, rows, C, [&](int64_t first, int64_t count) {
    for_each_point(context, count, step, w + first, [&](int64_t i, double doubled) {
      rounded[first + i] = half * static_cast<float>(doubled);
    });
  });
}

void lattice_integers(const Context& context, int64_t rows, int64_t C, float step, const float* w,
                      int8_t* doubled) {
  const ProfileScope scope(context.profile, "lattice rounding");
  for_row_blocks(context, rows, C, [&](int64_t first, int64_t count) {
    for_each_point(context, count, step, w + first, [&](int64_t i, double value) {
      doubled[first + i] = std::isnan(value) ? int8_t{0} : static_cast<int8_t>(value);
    });
  });
}

DecodeMatrix store_lattice(const Context& context, int64_t out, int64_t in, float step,
                           const float* w, int8_t* doubled, float* scale) {
  lattice_integers(context, out, in, step, w, doubled);
  for (int64_t o = 0; o < out; ++o) {
    const bool finite =
        std::all_of(w + o * in, w + (o + 1) * in, [](float value) { return std::isfinite(value); });
    scale[o] = finite ? step / 2 : kNan;
  }
  DecodeMatrix matrix{WeightType::kInt8, doubled, scale, out, in};
  matrix.limit = exact_limit(context, matrix);
  return matrix;
}

int64_t exact_limit(const Context& context, const DecodeMatrix& matrix) {
  CHECK(matrix.type == WeightType::kInt8);
  const RowBlocks cut(matrix.out);
  std::array<int64_t, kMaxRowBlocks> most = {};
  context.pool.parallel_for(cut.blocks, [&](int64_t block, int) {
    int64_t& mine = most[static_cast<size_t>(block)];
    for (int64_t o = cut.begin(block); o < cut.end(block); ++o) {
      const auto* row = static_cast<const int8_t*>(matrix.row(o));
      int64_t sum = 0;
      for (int64_t i = 0; i < matrix.in; ++i)
        sum += std::abs(int{row[i]});
      mine = std::max(mine, sum);
    }
  });
  const int64_t largest = *std::max_element(most.begin(), most.end());
  int64_t limit = kLargestLimit;
  while (limit > 1 && limit * largest >= kExactSum)
    limit /= 2;
  return limit;
}

void round_to_integers(const Context& context, int64_t rows, int64_t C, int64_t limit,
                       const float* x, float* rounded) {
  const ProfileScope scope(context.profile, "lattice rounding");
  CHECK(limit >= 1 && limit <= kLargestLimit);
  context.pool.parallel_for(rows, [&](int64_t row, int) {
    const float* from = x + row * C;
    float* to = rounded + row * C;
    const float grid = grid_of(C, limit, from);
    for (int64_t c = 0; c < C; ++c)
      to[c] = grid * std::nearbyint(from[c] / grid);
  });
}

}  // namespace cllm::ops
