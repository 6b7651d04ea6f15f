#include "threads/machine.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <fstream>

#include "base/file.h"

namespace cllm {
namespace {

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// "1024K" as the kernel writes it; 0 for anything else.
int64_t kibibytes(const std::string& text) {
  int64_t count = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return c == 'K' ? count << 10 : c == 'M' ? count << 20 : 0;
    count = 10 * count + (c - '0');
  }
  return 0;
}

}  // namespace

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

std::vector<Cache> data_caches() {
  std::vector<Cache> found;
  const fs::path folder = "/sys/devices/system/cpu/cpu0/cache";
  for (int index = 0; fs::exists(folder / fmt::format("index{}", index)); ++index) {
    const fs::path cache = folder / fmt::format("index{}", index);
    const std::string type = first_line(cache / "type");
    const std::string level = first_line(cache / "level");
    const int64_t bytes = kibibytes(first_line(cache / "size"));
    if (type == "Instruction" || level.size() != 1 || bytes == 0) continue;
    found.push_back({level[0] - '0', type == "Unified", bytes});
  }
  return found;
}

int64_t level2_bytes() {
  static const int64_t bytes = [] {
    for (const Cache& cache : data_caches())
      if (cache.level == 2) return cache.bytes;
    return int64_t{512} << 10;
  }();
  return bytes;
}

std::vector<std::string> cache_names() {
  std::vector<std::string> names;
  for (const Cache& cache : data_caches())
    names.push_back(
        fmt::format("L{}{} {}K", cache.level, cache.unified ? "" : " data", cache.bytes >> 10));
  return names;
}

int usable_processors() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

int64_t machine_memory() {
  return static_cast<int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE);
}

std::string kernel_name() {
  utsname name{};
  if (::uname(&name) != 0) return "unknown";
  return fmt::format("{} {}", name.sysname, name.release);
}

}  // namespace cllm
