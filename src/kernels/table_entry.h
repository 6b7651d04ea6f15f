// The table itself, free of standard containers so that the instruction-set files can include it.
#pragma once

#include "kernels/attention.h"
#include "kernels/gemm.h"
#include "kernels/rows.h"
#include "kernels/signature.h"
#include "kernels/update.h"

namespace cllm::kernels {

struct Table {
  const char* name;  // "scalar", "avx2", "avx512": also the value of CLLM_ISA
  GemmKernels gemm;
  RowKernels rows;
  AttentionKernels attention;
  UpdateKernels update;
  SignatureKernels signature;
};

}  // namespace cllm::kernels
