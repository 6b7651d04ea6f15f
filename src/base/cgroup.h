// What the control groups of this process leave it: processor time and memory. A group is limited
// by all its parents too, so each is asked, up to the mount point; inside a container the group's
// own folder may not be visible, but the mount point is then what limits it.
#pragma once

#include <cstdint>
#include <optional>

#include "base/file.h"

namespace cllm {

// `root` stands for "/" and is another folder in tests only. Reads files of versions 1 and 2; none
// if no group limits the process or nothing can be read.

// Processors' worth of time per time, e.g. 1.5.
std::optional<double> cgroup_processors(const fs::path& root = "/");

// Bytes that can still be taken. Page cache counts as free, since the kernel gives it back before
// it refuses memory.
std::optional<int64_t> cgroup_memory_left(const fs::path& root = "/");

}  // namespace cllm
