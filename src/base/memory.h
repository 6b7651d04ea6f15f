// How much memory this process can still take, and what it has taken.
#pragma once

#include <cstdint>

namespace cllm {

// Bytes: the smaller of MemAvailable of /proc/meminfo and what the cgroup (v1 or v2) leaves.
// INT64_MAX if neither can be read.
int64_t available_memory();

// Resident set of this process now and at its peak, bytes; 0 if unknown.
int64_t resident_memory();
int64_t peak_resident_memory();

}  // namespace cllm
