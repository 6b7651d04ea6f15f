// The scalar table: one exported symbol. Only kernel internals, intrinsics and C headers may be
// included here, so that the linker can never pick a copy of an inline function compiled for this
// instruction set.
#include "kernels/attention_inl.h"
#include "kernels/gemm_inl.h"
#include "kernels/rows_inl.h"
#include "kernels/signature_scalar_inl.h"
#include "kernels/table_entry.h"
#include "kernels/update_inl.h"
#include "kernels/vec_scalar.h"

namespace cllm::kernels {

extern const Table kScalarTable;
const Table kScalarTable = {"scalar",
                            make_gemm_kernels<ScalarVec>(),
                            make_rows_kernels<ScalarVec>(),
                            make_attention_kernels<ScalarVec>(),
                            make_update_kernels<ScalarVec>(),
                            make_scalar_signature_kernels()};

}  // namespace cllm::kernels
