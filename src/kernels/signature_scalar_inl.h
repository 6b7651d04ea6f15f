// kernels/signature.h, one set at a time. Kernel internal.
#pragma once

#include <cstdint>

#include "kernels/signature.h"

namespace cllm::kernels {
namespace {

void shared_bits_scalar(int64_t blocks, int64_t words, const uint64_t* query, const uint64_t* sets,
                        uint32_t* shared) {
  for (int64_t block = 0; block < blocks; ++block) {
    for (int64_t j = 0; j < kSignatureBlock; ++j) {
      int count = 0;
      for (int64_t w = 0; w < words; ++w)
        count += __builtin_popcountll(query[w] & sets[w * kSignatureBlock + j]);
      shared[j] = static_cast<uint32_t>(count);
    }
    sets += words * kSignatureBlock;
    shared += kSignatureBlock;
  }
}

constexpr SignatureKernels make_scalar_signature_kernels() {
  return {shared_bits_scalar};
}

}  // namespace
}  // namespace cllm::kernels
