// The avx2 table: one exported symbol. Only kernel internals, intrinsics and C headers may be
// included here, so that the linker can never pick a copy of an inline function compiled for this
// instruction set.
#include "kernels/coset_inl.h"
#include "kernels/decode_inl.h"
#include "kernels/gemm_inl.h"
#include "kernels/signature_avx2_inl.h"
#include "kernels/storage_inl.h"
#include "kernels/table_entry.h"
#include "kernels/update_inl.h"
#include "kernels/vec_avx2.h"

namespace cllm::kernels {

extern const Table kAvx2Table;
const Table kAvx2Table = {"avx2",
                          make_gemm_kernels<Avx2Vec>(),
                          make_decode_kernels<Avx2Vec>(),
                          make_storage_kernels<Avx2Vec, float>(),
                          make_storage_kernels<Avx2Vec, Bf16>(),
                          make_storage_kernels<Avx2Vec, Fp16>(),
                          make_update_kernels<Avx2Vec>(),
                          make_avx2_signature_kernels(),
                          make_coset_kernels<32>()};

}  // namespace cllm::kernels
