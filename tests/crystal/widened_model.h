// Models that are wider than what they compute: the stream of a narrow model, laid isometrically
// into more coordinates. Their narrow form is known, so it can be asked for back.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "crystal/absorbed_model.h"
#include "crystal/gap_rig.h"

namespace cllm::testing {

// Some directions, as surgery chooses them.
inline StreamBasis some_directions(size_t from, size_t to, bool centred, ThreadPool& pool) {
  return principal_directions(hessian_of(power_law(from, 1), 11), from, to, centred, pool);
}

// y [rows, C] = scale * x [rows, W] R^T; keep_sums: but each row's sum stays, spread evenly.
inline void widen_rows(const float* x, int64_t rows, const StreamBasis& basis, double scale,
                       bool keep_sums, float* y) {
  const auto C = static_cast<int64_t>(basis.from), W = static_cast<int64_t>(basis.to);
  for (int64_t row = 0; row < rows; ++row) {
    double total = 0;
    for (int64_t w = 0; w < W && keep_sums; ++w)
      total += x[row * W + w];
    for (int64_t c = 0; c < C; ++c) {
      double sum = 0;
      for (int64_t w = 0; w < W; ++w)
        sum += basis.columns[static_cast<size_t>(c * W + w)] *
               (x[row * W + w] - total / static_cast<double>(W));
      y[row * C + c] = static_cast<float>(scale * sum + total / static_cast<double>(C));
    }
  }
}

// y [C, columns] = scale * R x [W, columns].
inline void widen_columns(const float* x, int64_t columns, const StreamBasis& basis, double scale,
                          float* y) {
  const auto C = static_cast<int64_t>(basis.from), W = static_cast<int64_t>(basis.to);
  for (int64_t c = 0; c < C; ++c)
    for (int64_t k = 0; k < columns; ++k) {
      double sum = 0;
      for (int64_t w = 0; w < W; ++w)
        sum += basis.columns[static_cast<size_t>(c * W + w)] * x[w * columns + k];
      y[c * columns + k] = static_cast<float>(scale * sum);
    }
}

// A model with basis.from coordinates whose stream is the absorbed model's, x R^T sqrt(C / W): with
// that scale the mean of squares, and so the weight of epsilon, is the same.
inline ResizedModel widened(const AbsorbedModel& narrow, const StreamBasis& basis) {
  const auto C = static_cast<int64_t>(basis.from), W = static_cast<int64_t>(basis.to);
  const double out = std::sqrt(static_cast<double>(C) / static_cast<double>(W));
  const Arena weights = narrow.weights();
  ResizedModel wide;
  wide.model = std::make_unique<const Transformer>(resized_config(narrow.model().config(), C));
  wide.weights = Arena(wide.model->parameters().arena_floats(), "a test");
  const auto& parameters = narrow.model().parameters().all();
  for (size_t i = 0; i < parameters.size(); ++i) {
    const int64_t count = parameters[i].count;
    const float* const x = weights.data() + parameters[i].offset;
    float* const y = wide.weights.data() + wide.model->parameters().all()[i].offset;
    const auto is = [&](std::initializer_list<const char*> ends) {
      return std::ranges::any_of(
          ends, [&](const char* end) { return parameters[i].name.ends_with(end); });
    };
    if (parameters[i].name.starts_with("embedding."))
      widen_rows(x, count / W, basis, out, false, y);
    else if (is({"qkv.weight", "up.weight", "head.weight"}))
      widen_rows(x, count / W, basis, 1 / out, is({"head.weight"}) && narrow.centred(), y);
    else if (is({"output.weight", "output.bias", "down.weight", "down.bias"}))
      widen_columns(x, count / W, basis, out, y);
    else if (is({"attention_norm.gain", "mlp_norm.gain", "final_norm.gain", "norm.bias"}))
      std::fill_n(y, C, x[0]);
    else
      std::copy_n(x, count, y);
  }
  return wide;
}

}  // namespace cllm::testing
