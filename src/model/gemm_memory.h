// What `cllm bench gemm --tune` measured about matrix products on this machine, remembered from run
// to run in $XDG_CACHE_HOME/cllm/gemm.json (~/.cache where that is not set): per kernel table the
// size of tasks, valid for one kind of CPU. A file that is missing, damaged or of another machine
// counts as nothing measured: it costs speed only, never a result.
#pragma once

#include <string>

#include "base/file.h"
#include "kernels/table.h"
#include "ops/gemm_blocking.h"

namespace cllm {

struct ChosenBlocking {
  ops::GemmBlocking blocking;
  std::string reason;  // "computed from 1 MiB of L2", "measured, see ..."
};

// Where it is remembered; empty if neither variable is set.
fs::path gemm_memory_path();

// The remembered blocking of a table, or the computed one.
ChosenBlocking choose_blocking(const kernels::Table& table);

// Error (kUsage) if there is no place to remember in: to be asked before a long measurement.
void require_gemm_memory();

// Remembers, beside what is known of other tables of this CPU. Returns where. Error (kRuntime) if
// that cannot be written.
fs::path remember_blocking(const kernels::Table& table, const ops::GemmBlocking& blocking);

}  // namespace cllm
