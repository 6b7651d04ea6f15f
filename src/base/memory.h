// How much memory this process can still take.
#pragma once

#include <cstdint>
#include <string>

namespace cllm {

// Bytes: the smaller of MemAvailable of /proc/meminfo and what the process's control groups leave;
// page cache counts as free, since the kernel gives it back when it is needed. INT64_MAX if neither
// can be read.
int64_t available_memory();

// Error (kMemory) "WHERE: WHAT needs 3.00 GiB and 2.00 GiB are available; free memory, or REMEDY"
// for more bytes than available_memory(). where: the setting that asks for them, "" if none does.
void require_available(const std::string& where, const std::string& what, int64_t bytes,
                       const std::string& remedy);

}  // namespace cllm
