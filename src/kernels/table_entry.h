// The table itself, free of standard containers so that the instruction-set files can include it.
#pragma once

#include "kernels/attention.h"
#include "kernels/coset.h"
#include "kernels/decode.h"
#include "kernels/gemm.h"
#include "kernels/rows.h"
#include "kernels/signature.h"
#include "kernels/storage.h"
#include "kernels/update.h"

namespace cllm::kernels {

// The kernels of one element type of activations.
template <class S>
struct StorageKernels {
  RowKernels<S> rows;
  AttentionKernels<S> attention;
};

struct Table {
  const char* name;  // "scalar", "avx2", "avx512", "avx512_bf16": also the value of CLLM_ISA
  GemmKernels gemm;
  DecodeKernels decode;
  StorageKernels<float> fp32;
  StorageKernels<Bf16> bf16;
  StorageKernels<Fp16> fp16;
  UpdateKernels update;
  SignatureKernels signature;
  CosetKernels coset;

  template <class S>
  constexpr const StorageKernels<S>& of() const;
};

template <>
constexpr const StorageKernels<float>& Table::of() const {
  return fp32;
}
template <>
constexpr const StorageKernels<Bf16>& Table::of() const {
  return bf16;
}
template <>
constexpr const StorageKernels<Fp16>& Table::of() const {
  return fp16;
}

}  // namespace cllm::kernels
