// Pictures made of coloured cells, as PNG or SVG.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cllm::cli {

struct Color {
  uint8_t red = 255, green = 255, blue = 255;
  bool operator==(const Color&) const = default;
};

// A rectangle of cells, rows from the top; color of a cell: its index into the palette, whose first
// colour is the background.
struct CellPicture {
  int64_t width = 0, height = 0;
  std::vector<Color> palette;
  std::vector<uint8_t> cells;  // [height * width]
  std::string title;
};

// The bytes of a PNG with `scale` pixels to the side of a cell. Error (kMemory) for more than 2^28
// pixels, or a side of more than 2^16 pixels.
std::string png_of(const CellPicture& picture, int64_t scale);

// An SVG document: one path per colour, neighbours in a row joined.
std::string svg_of(const CellPicture& picture, int64_t scale);

}  // namespace cllm::cli
