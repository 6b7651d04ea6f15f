// The templates behind kernels/attention.h, over the vector interface V and the storage S. Kernel
// internal.
#pragma once

#include "kernels/attention.h"
#include "kernels/attention_backward_inl.h"
#include "kernels/attention_forward_inl.h"
#include "kernels/attention_one_inl.h"
#include "kernels/attention_pairs_backward_inl.h"
#include "kernels/attention_pairs_forward_inl.h"

namespace cllm::kernels {

template <class V, class S>
constexpr AttentionKernels<S> make_attention_kernels() {
  if constexpr (MultipliesPairs<V> && kStorageOf<S> == Storage::kBf16)
    return {attention_pairs_forward_block<V>, attention_forward_one<V, S>,
            attention_pairs_backward_block<V>};
  else
    return {attention_forward_block<V, S>, attention_forward_one<V, S>,
            attention_backward_block<V, S>};
}

}  // namespace cllm::kernels
