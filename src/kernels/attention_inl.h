// The templates behind kernels/attention.h, over the vector interface V. Kernel internal.
#pragma once

#include "kernels/attention.h"
#include "kernels/attention_backward_inl.h"
#include "kernels/attention_forward_inl.h"
#include "kernels/attention_one_inl.h"

namespace cllm::kernels {

template <class V>
constexpr AttentionKernels make_attention_kernels() {
  return {attention_forward_block<V>, attention_forward_one<V>, attention_backward_block<V>};
}

}  // namespace cllm::kernels
