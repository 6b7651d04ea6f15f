// The scalar table: one exported symbol. Only kernel internals, intrinsics and C headers may be
// included here, so that the linker can never pick a copy of an inline function compiled for this
// instruction set.
#include "kernels/coset_inl.h"
#include "kernels/decode_inl.h"
#include "kernels/gemm_inl.h"
#include "kernels/signature_scalar_inl.h"
#include "kernels/storage_inl.h"
#include "kernels/table_entry.h"
#include "kernels/update_inl.h"
#include "kernels/vec_scalar.h"

namespace cllm::kernels {

extern const Table kScalarTable;
const Table kScalarTable = {"scalar",
                            make_gemm_kernels<ScalarVec>(),
                            make_decode_kernels<ScalarVec>(),
                            make_storage_kernels<ScalarVec, float>(),
                            make_storage_kernels<ScalarVec, Bf16>(),
                            make_storage_kernels<ScalarVec, Fp16>(),
                            make_update_kernels<ScalarVec>(),
                            make_scalar_signature_kernels(),
                            make_coset_kernels<16>()};

}  // namespace cllm::kernels
