#include "base/cgroup.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <string_view>

namespace cllm {
namespace {

constexpr std::string_view kVersion2 = "";  // in place of a version 1 controller's name

// The process's path in a hierarchy: a line "5:cpu,memory:/path" of /proc/self/cgroup, "0::/path"
// for version 2; "" if there is no such line.
std::string own_path(std::string_view controller, const fs::path& root) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (names.find("," + std::string(controller) + ",") != std::string::npos)
      return line.substr(second + 1);
  }
  return "";
}

// The least of read(folder) over the process's group and its parents in a hierarchy.
template <class Number, class Read>
void lower_to_groups(std::string_view controller, const fs::path& root, Read read,
                     std::optional<Number>& least) {
  const std::string mount = (root / "sys/fs/cgroup" / controller).string();
  std::string path = own_path(controller, root);
  for (;;) {
    const std::optional<Number> here = read(fs::path(mount + path));
    if (here && (!least || *here < *least)) least = here;
    if (path.empty() || path == "/") return;
    path.resize(path.rfind('/'));
  }
}

// The first number of a file; none if it is absent or does not begin with one ("max").
std::optional<int64_t> number_file(const fs::path& path) {
  std::ifstream file(path);
  int64_t number = 0;
  if (file >> number) return number;
  return std::nullopt;
}

// The number in the line "name 123" of a memory.stat; 0 if there is none.
int64_t stat_line(const fs::path& path, std::string_view name) {
  std::ifstream file(path);
  std::string key;
  for (int64_t number = 0; file >> key >> number;)
    if (key == name) return number;
  return 0;
}

std::optional<double> quota(double time, double period) {
  if (time > 0 && period > 0) return time / period;
  return std::nullopt;  // version 1 says -1 for no limit
}

std::optional<double> processors_version_2(const fs::path& folder) {
  std::ifstream file(folder / "cpu.max");
  double time = 0, period = 0;
  if (file >> time >> period) return quota(time, period);
  return std::nullopt;  // "max 100000", or no such file
}

std::optional<double> processors_version_1(const fs::path& folder) {
  const auto time = number_file(folder / "cpu.cfs_quota_us");
  const auto period = number_file(folder / "cpu.cfs_period_us");
  if (!time || !period) return std::nullopt;
  return quota(static_cast<double>(*time), static_cast<double>(*period));
}

struct MemoryFiles {
  std::string_view controller;
  const char* limit;
  const char* used;
  const char* cache[2];  // lines of memory.stat
};

constexpr MemoryFiles kMemoryFiles[] = {
    {kVersion2, "memory.max", "memory.current", {"inactive_file", "active_file"}},
    {"memory",
     "memory.limit_in_bytes",
     "memory.usage_in_bytes",
     {"total_inactive_file", "total_active_file"}}};

std::optional<int64_t> memory_left(const fs::path& folder, const MemoryFiles& files) {
  const auto limit = number_file(folder / files.limit);
  const auto used = number_file(folder / files.used);
  if (!limit || !used || *limit < 0) return std::nullopt;
  int64_t kept = *used;
  for (const char* cache : files.cache)
    kept -= stat_line(folder / "memory.stat", cache);
  return *limit - std::clamp<int64_t>(kept, 0, *limit);
}

}  // namespace

std::optional<double> cgroup_processors(const fs::path& root) {
  std::optional<double> least;
  lower_to_groups(kVersion2, root, processors_version_2, least);
  lower_to_groups("cpu", root, processors_version_1, least);
  return least;
}

std::optional<int64_t> cgroup_memory_left(const fs::path& root) {
  std::optional<int64_t> least;
  for (const MemoryFiles& files : kMemoryFiles)
    lower_to_groups(
        files.controller, root, [&](const fs::path& folder) { return memory_left(folder, files); },
        least);
  return least;
}

}  // namespace cllm
