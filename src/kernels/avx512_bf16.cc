// The avx512_bf16 table: one exported symbol. Only kernel internals, intrinsics and C headers may
// be included here, so that the linker can never pick a copy of an inline function compiled for
// this instruction set.
#include "kernels/coset_inl.h"
#include "kernels/decode_inl.h"
#include "kernels/gemm_pairs_inl.h"
#include "kernels/signature_avx512_inl.h"
#include "kernels/storage_inl.h"
#include "kernels/table_entry.h"
#include "kernels/update_inl.h"
#include "kernels/vec_avx512_bf16.h"

namespace cllm::kernels {

extern const Table kAvx512Bf16Table;
const Table kAvx512Bf16Table = {"avx512_bf16",
                                make_gemm_kernels<Avx512Bf16Vec>(make_gemm_pairs<Avx512Bf16Vec>()),
                                make_decode_kernels<Avx512Bf16Vec>(),
                                make_storage_kernels<Avx512Bf16Vec, float>(),
                                make_storage_kernels<Avx512Bf16Vec, Bf16>(),
                                make_storage_kernels<Avx512Bf16Vec, Fp16>(),
                                make_update_kernels<Avx512Bf16Vec>(),
                                make_avx512_signature_kernels(),
                                make_coset_kernels<64>()};

}  // namespace cllm::kernels
