// Loops that keep the vector units busy from registers alone: what they reach is the peak that
// other figures are shares of. Enough independent chains to hide the latency of every x86-64 so
// far.
#pragma once

#include <cstdint>

namespace cllm::kernels {

struct PeakLoop {
  const char* instruction;            // "VFMADD zmm"
  int64_t operations;                 // of one iteration: a multiply and an add are two
  double (*run)(int64_t iterations);  // the result only keeps the loop alive
};

enum class PeakKind { kFp32, kBf16, kInt8 };

// The loop for what the table called `isa` may use; nullptr if that or this CPU has no such
// instruction. fp32 is there for every table; bf16 (VDPBF16PS) and int8 (VPDPBUSD) for the AVX-512
// tables.
const PeakLoop* peak_loop(PeakKind kind, const char* isa);

}  // namespace cllm::kernels
