#include "base/memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <string>

namespace cllm {
namespace {

// The number behind "name:" in a file of lines "name:   123 kB", in bytes.
std::optional<int64_t> kib_line(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(name + ":")) continue;
    std::istringstream rest(line.substr(name.size() + 1));
    int64_t kib = 0;
    if (rest >> kib) return kib * 1024;
  }
  return std::nullopt;
}

std::optional<int64_t> number_file(const std::string& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;  // absent, or "max"
}

// What a cgroup's limit leaves; page cache counts as used, so this errs to the safe side.
std::optional<int64_t> cgroup_left(const std::string& limit, const std::string& used) {
  const auto most = number_file(limit), now = number_file(used);
  if (!most || !now) return std::nullopt;
  return std::max<int64_t>(0, *most - *now);
}

}  // namespace

int64_t available_memory() {
  int64_t least = std::numeric_limits<int64_t>::max();
  const std::string mount = "/sys/fs/cgroup";
  for (const auto& left : {kib_line("/proc/meminfo", "MemAvailable"),
                           cgroup_left(mount + "/memory.max", mount + "/memory.current"),
                           cgroup_left(mount + "/memory/memory.limit_in_bytes",
                                       mount + "/memory/memory.usage_in_bytes")})
    if (left) least = std::min(least, *left);
  return least;
}

int64_t resident_memory() {
  return kib_line("/proc/self/status", "VmRSS").value_or(0);
}

int64_t peak_resident_memory() {
  return kib_line("/proc/self/status", "VmHWM").value_or(0);
}

}  // namespace cllm
