#include "ops/gemm.h"

#include <algorithm>

#include "base/check.h"
#include "ops/gemm_product.h"

namespace cllm::ops {
namespace {

using kernels::GemmDots;
using kernels::GemmKernels;
using kernels::GemmResult;

// Up to this many rows packing B costs more than it saves.
constexpr int64_t kFewRows = GemmKernels::kDotRows;

// Few rows and B transposed in memory (a row of activations times a weight matrix): bound by
// reading B once, so B is read in place and each element is a dot product.
void run_dots(const Context& context, const Gemm& call) {
  const int64_t tasks = ceil_div(call.n, GemmKernels::kDotColumns);
  run_gemm_tasks(context.pool, call, tasks, [&](int64_t task, int) {
    const int64_t column = task * GemmKernels::kDotColumns;
    GemmDots dots;
    dots.rows = call.m;
    dots.columns = std::min(GemmKernels::kDotColumns, call.n - column);
    dots.k = call.k;
    dots.a = call.a.data();
    dots.a_storage = call.a.storage();
    dots.a_row = call.lda;
    dots.b = call.b.as<float>() + column * call.ldb;
    dots.b_row = call.ldb;
    dots.result = gemm_result(call, 0, column);
    if (call.accumulate) dots.result.residual = dots.result.c;
    context.kernels.gemm.dots(dots);
  });
}

void check_operands(const Gemm& call) {
  CHECK_MSG(call.m >= 0 && call.n >= 0 && call.k >= 0, "m={} n={} k={}", call.m, call.n, call.k);
  CHECK_MSG(call.lda >= (call.a_transposed ? call.m : call.k), "lda={} m={} k={}", call.lda, call.m,
            call.k);
  if (call.packed != nullptr) {
    CHECK_MSG(call.packed->k == call.k && call.packed->n == call.n, "packed {} x {}, k={} n={}",
              call.packed->k, call.packed->n, call.k, call.n);
    return;
  }
  CHECK_MSG(call.ldb >= (call.b_transposed ? call.k : call.n), "ldb={} n={} k={}", call.ldb, call.n,
            call.k);
  CHECK_MSG(call.b.storage() == Storage::kFp32 || call.b.storage() == call.a.storage(),
            "types of a and b differ");
}

void check_epilogue(const Gemm& call) {
  const Epilogue& epilogue = call.epilogue;
  const Activation activation = epilogue.activation;
  const bool active = activation != Activation::kNone;
  const bool swiglu = activation == Activation::kSwiglu;
  const bool gradient = activation == Activation::kSwigluBackward;
  const bool backward = gradient || activation == Activation::kGeluBackward ||
                        activation == Activation::kRelu2Backward;
  const bool rest = epilogue.bias != nullptr || epilogue.dropout > 0 || epilogue.residual;
  CHECK_MSG(!(active || rest) || !call.accumulate, "accumulate with an epilogue");
  CHECK_MSG(!call.accumulate || call.c.storage() == Storage::kFp32, "accumulate in 16 bits");
  CHECK_MSG(!backward || epilogue.auxiliary, "no auxiliary for a derivative");
  CHECK_MSG(!gradient || !rest, "bias, dropout or residual of a SwiGLU backward");
  CHECK_MSG(!swiglu || call.n % 2 == 0, "n={} of gate and up", call.n);
  CHECK_MSG(call.ldc >= (swiglu     ? call.n / 2
                         : gradient ? 2 * call.n
                                    : call.n),
            "ldc={} n={}", call.ldc, call.n);
  CHECK_MSG(!epilogue.auxiliary || epilogue.auxiliary.storage() == call.c.storage(),
            "auxiliary is not of c's type");
  CHECK_MSG(!epilogue.residual || epilogue.residual.storage() == call.c.storage(),
            "residual is not of c's type");
  CHECK_MSG(!active || epilogue.residual.data() != call.c.data(), "c is also the residual");
  CHECK_MSG(!active || gradient || epilogue.auxiliary.data() != call.c.data(),
            "c is also the auxiliary");
}

// The product of a linear layer that this is.
std::string_view product_name(const Gemm& call) {
  if (call.a_transposed) return "product dW";
  const bool forward = call.packed != nullptr ? call.packed->from_transposed : call.b_transposed;
  return forward ? "product forward" : "product dX";
}

Compute compute_of(const Context& context, const Gemm& call) {
  return call.packed != nullptr ? call.packed->compute : compute_for(context, call.a.storage());
}

}  // namespace

Compute compute_for(const Context& context, Storage storage) {
  const bool pairs = context.kernels.gemm.pairs.tile != nullptr;
  return storage == Storage::kBf16 && pairs ? Compute::kBf16 : Compute::kFp32;
}

int64_t packed_floats(const Context& context, Compute compute, int64_t k, int64_t n) {
  const GemmKernels& kernels = context.kernels.gemm;
  const int64_t steps = ceil_div(k, elements_per_step(compute));
  return ceil_div(n, kernels.strip) * gemm_strip_floats(kernels, steps);
}

PackedMatrix pack(const Context& context, Compute compute, int64_t k, int64_t n, const float* b,
                  int64_t ldb, bool b_transposed, float* packed) {
  CHECK_MSG(k >= 0 && n >= 0 && ldb >= (b_transposed ? k : n), "k={} n={} ldb={}", k, n, ldb);
  const GemmKernels& kernels = context.kernels.gemm;
  const auto& packing = gemm_words(context, compute).fp32;
  const int64_t stride = gemm_strip_floats(kernels, ceil_div(k, elements_per_step(compute)));
  const int64_t width = kernels.strip * kernels.strips;
  if (k > 0)
    context.pool.parallel_for(ceil_div(n, width), [&](int64_t task, int) {
      const int64_t column = task * width, count = std::min(width, n - column);
      float* strips = packed + task * kernels.strips * stride;
      if (b_transposed)
        packing.columns_transposed(k, count, b + column * ldb, ldb, strips, stride);
      else
        packing.columns(k, count, b + column, ldb, strips, stride);
    });
  return {packed, k, n, compute, b_transposed};
}

size_t gemm_scratch(const Context& context, const Gemm& call) {
  const Compute compute = compute_of(context, call);
  const GemmSpace space(context, compute, call);
  return static_cast<size_t>(std::max(space.shared + context.pool.size() * space.worker(),
                                      split_space(context, compute, call)));
}

size_t gemm_scratch(const Context& context) {
  constexpr int64_t kHuge = int64_t{1} << 30;
  Gemm call{.m = kHuge, .n = kHuge, .k = kHuge, .a_transposed = true};
  const size_t together = gemm_scratch(context, call);
  call.c = {nullptr, Storage::kBf16};  // each task packs for itself
  return std::max(together, gemm_scratch(context, call));
}

void gemm(const Context& context, const Gemm& original, float* scratch) {
  const ProfileScope scope(context.profile, product_name(original));
  check_operands(original);
  check_epilogue(original);
  Gemm call = original;
  if (call.m == 0 || call.n == 0 || (call.k == 0 && call.accumulate)) return;
  const bool packed = call.packed != nullptr;
  if (call.k == 0) {  // a and b may be null: let every address be their first element
    call.a = nullptr, call.b = nullptr;
    call.a_transposed = false, call.b_transposed = true;
    call.lda = call.ldb = 0;
  }
  if (call.m <= kFewRows && !packed && call.b_transposed && !call.a_transposed &&
      call.b.storage() == Storage::kFp32 && call.epilogue.activation != Activation::kSwiglu)
    return run_dots(context, call);
  const Compute compute = compute_of(context, call);
  CHECK_MSG(compute == Compute::kFp32 || call.a.storage() != Storage::kFp16,
            "fp16 times packed bf16");
  GemmProduct(context, compute, call, scratch).run();
}

}  // namespace cllm::ops
