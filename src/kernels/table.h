// One table of kernels per instruction set. Kernels are single-threaded leaves on raw pointers: no
// allocation, no exceptions, no state; rows and tiles, never single elements. Pointers need no
// alignment and must not overlap unless a contract says so. n = 0 is allowed everywhere.
//
// A table's members are grouped by idea; each group's header holds the contracts:
//   gemm.h       packing and the register tile of the matrix product
//   decode.h     few rows times stored weights, for generation
//   rows.h       normalisation, activation, softmax, cross-entropy, rotary, dropout, elementwise
//   attention.h  tiles of attention, forward and backward
//   update.h     optimizer updates and norms over flat spans
//   signature.h  the scan of one bit set against many
//   coset.h      nearest points of the classical lattices
#pragma once

#include <string_view>
#include <vector>

#include "kernels/table_entry.h"

namespace cllm::kernels {

// Tables that this machine can run (CPUID and XCR0), slowest first; always holds the scalar one.
std::vector<const Table*> supported_tables();

// The table by name; nullptr if it does not exist or this machine cannot run it.
const Table* find_table(std::string_view name);

// The table to use: CLLM_ISA if it is set, else the fastest supported one. Chosen once per process.
// Error (kUsage) if CLLM_ISA names a table that is unknown or unsupported here.
const Table& chosen_table();

// Why chosen_table() chose it, e.g. "fastest this CPU supports" or "CLLM_ISA".
std::string_view chosen_reason();

}  // namespace cllm::kernels
