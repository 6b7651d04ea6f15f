#include "base/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "base/cgroup.h"
#include "base/error.h"
#include "base/units.h"

namespace cllm {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// The line "MemAvailable:   123 kB", in bytes.
int64_t machine_memory_left() {
  constexpr std::string_view name = "MemAvailable:";
  std::ifstream file("/proc/meminfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name)) continue;
    std::istringstream rest(line.substr(name.size()));
    int64_t kib = 0;
    if (rest >> kib) return kib * 1024;
  }
  return kUnlimited;
}

}  // namespace

int64_t available_memory() {
  return std::min(machine_memory_left(), cgroup_memory_left().value_or(kUnlimited));
}

void require_available(const std::string& where, const std::string& what, int64_t bytes,
                       const std::string& remedy) {
  const int64_t available = available_memory();
  if (bytes <= available) return;
  throw Error(ErrorKind::kMemory, where,
              fmt::format("{} needs {} and {} are available", what,
                          format_bytes(static_cast<double>(bytes)),
                          format_bytes(static_cast<double>(available))),
              "free memory, or " + remedy);
}

}  // namespace cllm
