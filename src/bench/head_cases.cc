#include "bench/head_cases.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>

#include "base/philox.h"
#include "bench/operands.h"
#include "ops/composite.h"
#include "ops/cross_entropy.h"
#include "ops/gemm.h"

namespace cllm::bench {
namespace {

// Rows at a time, about as the model slices its logits; enough for every thread.
constexpr int64_t kRows = 256;

// K: rows of the table of codes, 0 = a matrix; pieces: mean length of a code.
struct HeadShape {
  int64_t V, K, pieces;
};

// A BPE of 8192 tokens of English books, 5.5 bytes each, and that of GPT-2, 6.4 (crystal's
// PrimeCodes).
constexpr HeadShape kCodes8k = {8192, 709, 6}, kCodes50k = {50257, 1980, 6};

// Codes drawn by lot; their place in memory is worse than that of real ones, which have favourites.
struct RandomCodes {
  explicit RandomCodes(const HeadShape& shape) {
    PhiloxSequence source(Philox(3, RandomStream::kTest), 0);
    for (int64_t token = 0; token < shape.V; ++token) {
      std::set<int32_t> code;
      while (std::ssize(code) < shape.pieces)
        code.insert(static_cast<int32_t>(source.below(static_cast<uint64_t>(shape.K))));
      pieces.insert(pieces.end(), code.begin(), code.end());
      offsets.push_back(static_cast<int32_t>(pieces.size()));
    }
    scales.assign(static_cast<size_t>(shape.V),
                  static_cast<float>(1 / std::sqrt(static_cast<double>(shape.pieces))));
    codes = {.V = shape.V,
             .K = shape.K,
             .offsets = offsets.data(),
             .pieces = pieces.data(),
             .scales = scales.data(),
             .most = shape.pieces};
  }
  RandomCodes(const RandomCodes&) = delete;
  RandomCodes& operator=(const RandomCodes&) = delete;

  std::vector<int32_t> offsets = {0}, pieces;
  std::vector<float> scales;
  ops::Codes codes;
};

class Head {
 public:
  Head(const ops::Context& context, const HeadShape& shape, int64_t C)
      : context_(context),
        V_(shape.V),
        C_(C),
        inner_(shape.K > 0 ? shape.K : shape.V),
        targets_(random_ids(kRows, V_)),
        x_(random_floats(context, kRows * C)),
        dx_(random_floats(context, kRows * C)),
        weights_(random_floats(context, inner_ * C)),
        gradients_(random_floats(context, inner_ * C)),
        logits_(random_floats(context, kRows * V_)),
        losses_(random_floats(context, kRows)),
        gemm_(random_floats(context, static_cast<int64_t>(ops::gemm_scratch(context)))) {
    constexpr ops::Compute kCompute = ops::Compute::kFp32;
    forward_memory_ = random_floats(context, ops::packed_floats(context, kCompute, C, inner_));
    backward_memory_ = random_floats(context, ops::packed_floats(context, kCompute, inner_, C));
    forward_ =
        ops::pack(context, kCompute, C, inner_, weights_->data(), C, true, forward_memory_->data());
    backward_ = ops::pack(context, kCompute, inner_, C, weights_->data(), C, false,
                          backward_memory_->data());
    if (shape.K == 0) return;
    codes_ = std::make_unique<const RandomCodes>(shape);
    u_ = random_floats(context, kRows * shape.K);
    sums_ = random_floats(context, ops::composite_logits_scratch(context, codes_->codes));
  }

  void run() const {
    float* const inner = codes_ ? u_->data() : logits_->data();
    multiply(kRows, inner_, C_, x_->data(), &forward_, inner);
    if (codes_)
      ops::composite_logits(context_, kRows, codes_->codes, inner, logits_->data(), sums_->data());
    ops::cross_entropy(context_, kRows, V_, 0, targets_.data(), 1.0f, logits_->data(),
                       losses_->data());
    if (codes_)
      ops::composite_logits_backward(context_, kRows, codes_->codes, logits_->data(), inner,
                                     sums_->data());
    ops::gemm(context_,
              {.m = inner_,
               .n = C_,
               .k = kRows,
               .a = inner,
               .lda = inner_,
               .a_transposed = true,
               .b = x_->data(),
               .ldb = C_,
               .c = gradients_->data(),
               .ldc = C_,
               .accumulate = true},
              gemm_->data());
    multiply(kRows, C_, inner_, inner, &backward_, dx_->data());
  }

  double flops() const {
    double flops = 6 * static_cast<double>(inner_ * C_);
    if (codes_) flops += 2 * static_cast<double>(codes_->pieces.size()) + static_cast<double>(V_);
    return flops * static_cast<double>(kRows);
  }
  // Operands of the products and the logits, which are written and read.
  int64_t bytes() const {
    return bytes_of(4 * inner_ * C_ + kRows * (3 * C_ + 2 * V_ + (codes_ ? 2 * inner_ : 0)));
  }

 private:
  void multiply(int64_t m, int64_t n, int64_t k, const float* a, const ops::PackedMatrix* b,
                float* c) const {
    ops::gemm(context_, {.m = m, .n = n, .k = k, .a = a, .lda = k, .packed = b, .c = c, .ldc = n},
              gemm_->data());
  }

  const ops::Context& context_;
  int64_t V_, C_, inner_;
  std::vector<int32_t> targets_;
  Floats x_, dx_, weights_, gradients_, logits_, losses_, gemm_, forward_memory_, backward_memory_,
      u_, sums_;
  ops::PackedMatrix forward_, backward_;
  std::unique_ptr<const RandomCodes> codes_;
};

OperationCase head_case(const ops::Context& context, const HeadShape& shape,
                        const ModelConfig& config) {
  const auto head = std::make_shared<const Head>(context, shape, config.width);
  return {kRows * shape.V, head->bytes(), head->flops(), [head] { head->run(); }};
}

}  // namespace

OperationCase dense_head_8k(const ops::Context& context, const BenchPreset&,
                            const ModelConfig& config) {
  return head_case(context, {8192, 0, 0}, config);
}

OperationCase composite_head_8k(const ops::Context& context, const BenchPreset&,
                                const ModelConfig& config) {
  return head_case(context, kCodes8k, config);
}

OperationCase dense_head_50k(const ops::Context& context, const BenchPreset&,
                             const ModelConfig& config) {
  return head_case(context, {50257, 0, 0}, config);
}

OperationCase composite_head_50k(const ops::Context& context, const BenchPreset&,
                                 const ModelConfig& config) {
  return head_case(context, kCodes50k, config);
}

}  // namespace cllm::bench
