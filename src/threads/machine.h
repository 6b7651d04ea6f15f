// What this machine is, as Linux tells it: for messages, reports and working-set sizes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cllm {

// "AMD EPYC"; "unknown" if /proc/cpuinfo does not say.
std::string cpu_name();

struct Cache {
  int level = 0;
  bool unified = false;  // for instructions too
  int64_t bytes = 0;
};

// The caches of the first core that hold data, nearest first; empty if the system does not say.
std::vector<Cache> data_caches();
// Bytes of the second level cache, for cutting work into parts that stay in it; 512 KiB if the
// system does not say. Read once per process.
int64_t level2_bytes();
// "L1 data 32K", "L2 1024K".
std::vector<std::string> cache_names();

// Processors in the affinity mask.
int usable_processors();
// Bytes of the whole machine.
int64_t machine_memory();
// "Linux 6.1.0-18-amd64"
std::string kernel_name();

}  // namespace cllm
