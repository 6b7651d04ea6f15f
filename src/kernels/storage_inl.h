// The kernels of one element type of activations, over the vector interface V. Kernel internal.
#pragma once

#include "kernels/attention_inl.h"
#include "kernels/rows_inl.h"
#include "kernels/table_entry.h"

namespace cllm::kernels {

template <class V, class S>
constexpr StorageKernels<S> make_storage_kernels() {
  return {make_rows_kernels<V, S>(), make_attention_kernels<V, S>()};
}

}  // namespace cllm::kernels
