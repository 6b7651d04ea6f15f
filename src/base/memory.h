// How much memory this process can still take, and what it has taken.
#pragma once

#include <cstdint>

namespace cllm {

// Bytes: the smallest of MemAvailable of /proc/meminfo and what the process's cgroup and its
// parents (v1 or v2) leave; page cache counts as free, since the kernel gives it back when it is
// needed. INT64_MAX if neither can be read.
int64_t available_memory();

// Resident set of this process now and at its peak, bytes; 0 if unknown.
int64_t resident_memory();
int64_t peak_resident_memory();

}  // namespace cllm
