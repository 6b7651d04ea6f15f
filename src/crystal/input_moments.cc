#include "crystal/input_moments.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "ops/gemm.h"

namespace cllm {

namespace {

int64_t widest_input(const Transformer& model) {
  int64_t widest = 0;
  for (const nn::Linear* linear : model.linears())
    widest = std::max(widest, linear->in());
  return widest;
}

}  // namespace

int64_t InputMoments::planned_bytes(const Transformer& model, const ops::Context& context) {
  const int64_t widest = widest_input(model);
  auto bytes = static_cast<int64_t>(sizeof(float)) *
               (widest * widest + static_cast<int64_t>(ops::gemm_scratch(context)));
  for (const nn::Linear* linear : model.linears())
    bytes += static_cast<int64_t>(sizeof(double)) * linear->in() * linear->in();
  return bytes;
}

InputMoments::InputMoments(const Transformer& model, const ops::Context& context)
    : context_(context),
      scratch_(static_cast<int64_t>(ops::gemm_scratch(context)), "products of the calibration") {
  for (const auto* linear : model.linears()) {
    const int64_t in = linear->in();
    sums_[linear->weight_parameter()] = {.in = in, .rows = 0, .products = {}};
  }
  const int64_t widest = widest_input(model);
  products_ = Arena(widest * widest, "moments of the calibration");
}

void InputMoments::add(int32_t parameter, int64_t N, int64_t in, ops::ConstValues x) {
  Sum& sum = sums_.at(parameter);
  CHECK_EQ(sum.in, in);
  sum.products.resize(static_cast<size_t>(in * in));
  ops::gemm(context_,
            {.m = in,
             .n = in,
             .k = N,
             .a = x,
             .lda = in,
             .a_transposed = true,
             .b = x,
             .ldb = in,
             .c = products_.data(),
             .ldc = in},
            scratch_.data());
  sum.rows += N;
  context_.pool.parallel_for(in, [&](int64_t row, int) {
    const float* const from = products_.data() + row * in;
    double* const to = sum.products.data() + row * in;
    for (int64_t column = 0; column < in; ++column)
      to[column] += from[column];
  });
}

std::vector<double> InputMoments::hessian(int32_t parameter) const {
  const auto found = sums_.find(parameter);
  if (found == sums_.end() || found->second.rows == 0) return {};
  const Sum& sum = found->second;
  const auto n = static_cast<size_t>(sum.in);
  std::vector<double> hessian(n * n);
  double trace = 0;
  for (size_t i = 0; i < n; ++i) {
    trace += sum.products[i * n + i];
    for (size_t j = 0; j < n; ++j)
      hessian[i * n + j] =
          (sum.products[i * n + j] + sum.products[j * n + i]) / (2 * static_cast<double>(sum.rows));
  }
  if (!std::isfinite(trace))
    throw Error(ErrorKind::kData, "calibration", "an activation of the model is not finite",
                "check the model with `cllm eval`");
  if (trace == 0) return {};
  return hessian;
}

}  // namespace cllm
