#include "threads/topology.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <set>
#include <vector>

#include "base/cgroup.h"
#include "base/error.h"

namespace cllm {
namespace {

std::vector<int> affinity_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return {0};
  for (int core = 0; core < CPU_SETSIZE; ++core)
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  return cores;
}

std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

// Hardware threads that share a core count once: two of them share the same vector units.
int physical_cores(const std::vector<int>& cpus) {
  std::set<std::string> siblings;
  for (const int cpu : cpus) {
    const std::string path =
        fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu);
    const std::string list = first_line(path);
    siblings.insert(list.empty() ? std::to_string(cpu) : list);
  }
  return static_cast<int>(siblings.size());
}

// The most that the environment may ask for, as the settings say it.
constexpr int kMostThreads = 1024;

std::optional<int> environment_threads(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  const std::string text(value);
  int threads = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), threads);
  // OMP_NUM_THREADS may be a list of nesting levels ("4,2"); the first is ours.
  const bool complete = end == text.data() + text.size() || *end == ',';
  if (error != std::errc{} || !complete || threads < 1)
    throw Error(ErrorKind::kUsage, name, fmt::format("'{}' is not a positive number", text),
                "unset it or give a number of threads");
  if (threads > kMostThreads)
    throw Error(ErrorKind::kUsage, name,
                fmt::format("{} is more than {} threads", threads, kMostThreads),
                "unset it or give a number of threads");
  return threads;
}

}  // namespace

ThreadBudget choose_threads(int requested) {
  if (requested < 0)
    throw Error(ErrorKind::kUsage, "threads", fmt::format("{} is negative", requested),
                "give a number of threads, or 0 to choose");
  const std::vector<int> cpus = affinity_cores();
  const int cores = physical_cores(cpus);
  const std::optional<double> quota = cgroup_processors();
  const int limit =
      quota ? std::max(1, std::min(cores, static_cast<int>(std::floor(*quota)))) : cores;
  const std::string machine =
      fmt::format("{} physical core{} in the affinity mask, {}", cores, cores == 1 ? "" : "s",
                  quota ? fmt::format("cgroup quota {:.2f}", *quota) : "no cgroup quota");

  const auto asked = [&](int count, const std::string& who) {
    const std::string more =
        count > limit ? fmt::format(", more than the {} available", limit) : "";
    return ThreadBudget{count, fmt::format("{}{} ({})", who, more, machine)};
  };
  if (requested > 0) return asked(requested, "as requested");
  for (const char* name : {"CLLM_THREADS", "OMP_NUM_THREADS"})
    if (const auto count = environment_threads(name))
      return asked(*count, fmt::format("from {}", name));
  return {limit, machine};
}

}  // namespace cllm
