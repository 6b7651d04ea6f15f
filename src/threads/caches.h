// The sizes of this machine's caches, for cutting work into parts that stay in them.
#pragma once

#include <cstdint>

namespace cllm {

// Bytes of the caches that a core of this machine uses: the data part of the first level, its own
// second level, the shared third. A size that the system does not tell is a common one; 0: none.
struct CacheSizes {
  int64_t level1 = 32 << 10;
  int64_t level2 = 512 << 10;
  int64_t level3 = 0;
};

// Read once per process, from /sys.
const CacheSizes& cache_sizes();

}  // namespace cllm
