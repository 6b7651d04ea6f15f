// How much memory this process can still take.
#pragma once

#include <cstdint>

namespace cllm {

// Bytes: the smaller of MemAvailable of /proc/meminfo and what the process's control groups leave;
// page cache counts as free, since the kernel gives it back when it is needed. INT64_MAX if neither
// can be read.
int64_t available_memory();

}  // namespace cllm
