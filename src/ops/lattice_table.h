// A table whose rows are points of the lattice E8, eight coordinates at a time, times a power of
// two: E8 is D8 and D8 moved by one half (Conway and Sloane 1982), so that twice a coordinate is a
// small integer. And the rounding of activations to integers under which every sum of a product
// with such a table is exact: then its bits depend on no instruction set, machine or number of
// threads.
#pragma once

#include <cstdint>

#include "ops/context.h"
#include "ops/decode.h"

namespace cllm::ops {

// Coordinates of a block of E8.
inline constexpr int64_t kLatticeBlock = 8;
// Numbers are rounded as if they were at most so many steps; the nearest point is at most one more.
inline constexpr float kLatticeReach = 62;

// rounded [rows, C] = step times the nearest point of E8 to each block of w [rows, C] / step, C a
// multiple of kLatticeBlock, step a power of two. A block with a NaN or an infinity is
// all NaN. Threaded; the same bits for any threads and kernels. w and rounded may be the same.
void lattice_round(const Context& context, int64_t rows, int64_t C, float step, const float* w,
                   float* rounded);

// doubled [rows, C] = 2 lattice_round() / step, integers within 2 kLatticeReach + 2. What would be
// NaN is 0.
void lattice_integers(const Context& context, int64_t rows, int64_t C, float step, const float* w,
                      int8_t* doubled);

// The table for generation: int8, doubled and scale [out] the caller's memory. A row with a NaN or
// an infinity has a NaN for its scale.
DecodeMatrix store_lattice(const Context& context, int64_t out, int64_t in, float step,
                           const float* w, int8_t* doubled, float* scale);

// The largest 2^k - 1 below 2^15 by which every row of an int8 matrix may be multiplied, integer by
// integer, without a sum reaching 2^24, up to which fp32 counts. One pass over the matrix,
// threaded.
int64_t exact_limit(const Context& context, const DecodeMatrix& matrix);

// rounded [rows, C] = each row of x to integers of at most `limit`, times the least power of two
// that allows it, ties to even. A row with a NaN or an infinity is all NaN. Threaded over rows.
void round_to_integers(const Context& context, int64_t rows, int64_t C, int64_t limit,
                       const float* x, float* rounded);

}  // namespace cllm::ops
