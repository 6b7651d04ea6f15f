// Ulam's square spiral: 1 at (0, 0), 2 at (1, 0), then counter-clockwise (OEIS A174344, A274923).
// Ring r, the numbers above (2r - 1)^2 up to (2r + 1)^2, is the border of a square of side 2r + 1;
// so both directions are O(1). Pure and thread-safe.
#pragma once

#include <cstdint>
#include <vector>

namespace cllm::number {

struct Point {
  int64_t x = 0, y = 0;  // x to the right, y upwards
  bool operator==(const Point&) const = default;
};

// Where n lies. Error (kUsage) for n = 0.
Point ulam_point(uint64_t n);
// What lies there. Error (kUsage) beyond 2^64 - 1, which is on the ring |x| or |y| = 2^31.
uint64_t ulam_number(Point point);

// A rectangle of the spiral, in the order in which pictures are drawn: rows from the top (high y)
// down, each from left to right.
struct SpiralWindow {
  Point low;  // the corner with the least x and y
  int64_t width = 0, height = 0;
};

// The square of `size` cells a side around the cell of n: for an even size that cell is right of
// and above the middle. Error (kUsage) for size < 1 and where it reaches beyond 2^64 - 1.
SpiralWindow spiral_window(uint64_t n, int64_t size);

// The numbers of the window. [height * width]. Error (kUsage) beyond 2^64 - 1.
std::vector<uint64_t> spiral_numbers(const SpiralWindow& window);

// For each of the numbers, 1 if it is prime, else 0, by a sieve where that is less work than
// testing each of them.
std::vector<uint8_t> prime_marks(const std::vector<uint64_t>& numbers);
// Omega of each of the numbers (number/factor.h), in the same way.
std::vector<uint8_t> factor_count_marks(const std::vector<uint64_t>& numbers);

}  // namespace cllm::number
