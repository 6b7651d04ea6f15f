#include "threads/caches.h"

#include <fmt/format.h>

#include <fstream>
#include <string>

namespace cllm {
namespace {

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "48K" or "1M" in bytes; 0 for anything else.
int64_t bytes_of(const std::string& text) {
  int64_t value = 0;
  size_t at = 0;
  for (; at < text.size() && at < 9 && text[at] >= '0' && text[at] <= '9'; ++at)
    value = value * 10 + (text[at] - '0');
  if (at == text.size()) return value;
  if (text[at] == 'K') return value << 10;
  if (text[at] == 'M') return value << 20;
  return 0;
}

CacheSizes read_sizes() {
  CacheSizes sizes;
  for (int index = 0; index < 8; ++index) {
    const std::string cache = fmt::format("/sys/devices/system/cpu/cpu0/cache/index{}/", index);
    const int64_t bytes = bytes_of(first_line(cache + "size"));
    if (bytes <= 0 || first_line(cache + "type") == "Instruction") continue;
    const std::string level = first_line(cache + "level");
    if (level == "1") sizes.level1 = bytes;
    if (level == "2") sizes.level2 = bytes;
    if (level == "3") sizes.level3 = bytes;
  }
  return sizes;
}

}  // namespace

const CacheSizes& cache_sizes() {
  static const CacheSizes sizes = read_sizes();
  return sizes;
}

}  // namespace cllm
