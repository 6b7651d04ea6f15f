#include "cli/picture.h"

#include <fmt/format.h>
#include <png.h>

#include <iterator>

#include "base/error.h"

namespace cllm::cli {
namespace {

constexpr int64_t kMaxPixels = int64_t{1} << 28, kMaxSide = int64_t{1} << 16;

// Three bytes a pixel, as libpng takes them.
std::vector<uint8_t> pixels_of(const CellPicture& picture, int64_t scale) {
  std::vector<uint8_t> pixels;
  pixels.reserve(static_cast<size_t>(3 * picture.width * picture.height * scale * scale));
  for (int64_t y = 0; y < picture.height * scale; ++y)
    for (int64_t x = 0; x < picture.width; ++x) {
      const auto cell = static_cast<size_t>(y / scale * picture.width + x);
      const Color& color = picture.palette[picture.cells[cell]];
      for (int64_t i = 0; i < scale; ++i)
        pixels.insert(pixels.end(), {color.red, color.green, color.blue});
    }
  return pixels;
}

std::string hex(const Color& color) {
  return fmt::format("#{:02x}{:02x}{:02x}", color.red, color.green, color.blue);
}

}  // namespace

std::string png_of(const CellPicture& picture, int64_t scale) {
  const int64_t width = picture.width * scale, height = picture.height * scale;
  if (width > kMaxSide || height > kMaxSide || width * height > kMaxPixels)
    throw Error(ErrorKind::kMemory, "PNG",
                fmt::format("{} x {} pixels are too many", width, height),
                "choose a smaller size or scale");
  const std::vector<uint8_t> pixels = pixels_of(picture, scale);
  png_image image = {};
  image.version = PNG_IMAGE_VERSION;
  image.width = static_cast<png_uint_32>(width);
  image.height = static_cast<png_uint_32>(height);
  image.format = PNG_FORMAT_RGB;
  std::string bytes;
  png_alloc_size_t size = 0;
  // Once for the size, once for the bytes.
  for (int pass = 0; pass < 2; ++pass) {
    bytes.resize(size);
    void* const to = pass == 0 ? nullptr : bytes.data();
    if (png_image_write_to_memory(&image, to, &size, 0, pixels.data(), 0, nullptr) == 0)
      throw Error(ErrorKind::kRuntime, "PNG", image.message, "choose a smaller size");
  }
  bytes.resize(size);
  return bytes;
}

std::string svg_of(const CellPicture& picture, int64_t scale) {
  const int64_t width = picture.width, height = picture.height;
  std::string text = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" viewBox=\"0 0 {} {}\" "
      "shape-rendering=\"crispEdges\">\n<title>{}</title>\n<rect width=\"{}\" height=\"{}\" "
      "fill=\"{}\"/>\n",
      width * scale, height * scale, width, height, picture.title, width, height,
      hex(picture.palette.front()));
  std::vector<std::string> paths(picture.palette.size());
  for (int64_t y = 0; y < height; ++y) {
    const uint8_t* row = picture.cells.data() + y * width;
    for (int64_t x = 0, end = 0; x < width; x = end) {
      for (end = x + 1; end < width && row[end] == row[x];)
        ++end;
      fmt::format_to(std::back_inserter(paths[row[x]]), "M{} {}h{}v1h-{}z", x, y, end - x, end - x);
    }
  }
  for (size_t color = 1; color < paths.size(); ++color)
    if (!paths[color].empty())
      text +=
          fmt::format("<path fill=\"{}\" d=\"{}\"/>\n", hex(picture.palette[color]), paths[color]);
  return text + "</svg>\n";
}

}  // namespace cllm::cli
