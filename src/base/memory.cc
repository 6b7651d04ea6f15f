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

// The number in the line "name 123" of a memory.stat; 0 if there is none.
int64_t stat_line(const std::string& path, const std::string& name) {
  std::ifstream file(path);
  std::string key;
  for (int64_t number = 0; file >> key >> number;)
    if (key == name) return number;
  return 0;
}

// File names of a cgroup version. Page cache is part of what is used, but the kernel gives it back
// before it refuses memory.
struct CgroupFiles {
  const char* mount;
  const char* controller;  // "" for version 2
  const char* limit;
  const char* used;
  const char* cache[2];  // lines of memory.stat
};

constexpr CgroupFiles kCgroups[] = {
    {"/sys/fs/cgroup", "", "memory.max", "memory.current", {"inactive_file", "active_file"}},
    {"/sys/fs/cgroup/memory",
     "memory",
     "memory.limit_in_bytes",
     "memory.usage_in_bytes",
     {"total_inactive_file", "total_active_file"}}};

// What the limit of one cgroup leaves.
std::optional<int64_t> cgroup_left(const std::string& folder, const CgroupFiles& files) {
  const auto limit = number_file(folder + "/" + files.limit);
  const auto used = number_file(folder + "/" + files.used);
  if (!limit || !used) return std::nullopt;
  int64_t kept = *used;
  for (const char* cache : files.cache)
    kept -= stat_line(folder + "/memory.stat", cache);
  return *limit - std::clamp<int64_t>(kept, 0, *limit);
}

// The process's path in a hierarchy: a line "5:cpu,memory:/path" of /proc/self/cgroup, "0::/path"
// for version 2.
std::optional<std::string> cgroup_path(const std::string& controller) {
  std::ifstream file("/proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controller.empty() ? names == ",,"
                           : names.find("," + controller + ",") != std::string::npos)
      return line.substr(second + 1);
  }
  return std::nullopt;
}

// The least that the process's cgroup and its parents leave; inside a container its own may not be
// visible, but the mount point is then what limits it.
int64_t all_cgroups_left() {
  int64_t least = std::numeric_limits<int64_t>::max();
  for (const CgroupFiles& files : kCgroups) {
    std::string path = cgroup_path(files.controller).value_or("");
    for (;;) {
      if (const auto left = cgroup_left(files.mount + path, files)) least = std::min(least, *left);
      if (path.empty() || path == "/") break;
      path.resize(path.rfind('/'));
    }
  }
  return least;
}

}  // namespace

int64_t available_memory() {
  const auto free = kib_line("/proc/meminfo", "MemAvailable");
  return std::min(free.value_or(std::numeric_limits<int64_t>::max()), all_cgroups_left());
}

int64_t resident_memory() {
  return kib_line("/proc/self/status", "VmRSS").value_or(0);
}

int64_t peak_resident_memory() {
  return kib_line("/proc/self/status", "VmHWM").value_or(0);
}

}  // namespace cllm
