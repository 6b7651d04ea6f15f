// How many threads to use, and why: affinity mask, cgroup v1/v2 quota, and the user's wish.
#pragma once

#include <string>

namespace cllm {

struct ThreadBudget {
  int count = 1;
  std::string reason;  // "8 physical cores in the affinity mask, cgroup quota 4.00"
};

// requested: what the user asked for, 0 = choose (environment CLLM_THREADS, then OMP_NUM_THREADS,
// then the physical cores in the affinity mask, capped by floor(cgroup quota), at least 1). A
// request above the cores available is honoured and the reason says so. Error (kUsage) for a
// negative request or an environment value that is not a number from 1 to 1024.
ThreadBudget choose_threads(int requested);

}  // namespace cllm
