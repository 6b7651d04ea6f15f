// Session::first_nonfinite: where a run went bad, found by running the batch again stage by stage.
#include <algorithm>
#include <array>
#include <cmath>

#include "model/head_rows.h"
#include "model/session.h"

namespace cllm {
namespace {

bool all_finite(const float* values, int64_t count) {
  return std::all_of(values, values + count, [](float x) { return std::isfinite(x); });
}

bool all_finite(const ops::Context& context, ops::ConstValues values, int64_t count) {
  return ops::with_storage(values.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const S* data = values.as<S>();
    std::array<float, 256> part;
    for (int64_t i = 0; i < count; i += 256) {
      const int64_t n = std::min<int64_t>(256, count - i);
      context.kernels.of<S>().rows.widen(n, data + i, part.data());
      if (!all_finite(part.data(), n)) return false;
    }
    return true;
  });
}

std::string first_bad_parameter(const ParameterTable& table, const float* weights) {
  for (const Parameter& parameter : table.all())
    if (!all_finite(weights + parameter.offset, parameter.count))
      return "parameter " + parameter.name;
  return "";
}

// In the order of the backward pass. A gradient whose square overflows counts: its norm is
// infinite.
std::string first_bad_gradient(const ParameterTable& table, const float* gradients) {
  for (size_t i = table.all().size(); i-- > 0;) {
    const Parameter& parameter = table.all()[i];
    const float* values = gradients + parameter.offset;
    if (!std::all_of(values, values + parameter.count,
                     [](float x) { return std::isfinite(x * x); }))
      return "gradient of " + parameter.name;
  }
  return "";
}

}  // namespace

std::string Session::first_nonfinite(const Batch& batch, const float* weights, DropoutSeed dropout,
                                     float* gradients) {
  std::string bad = first_bad_parameter(model_.parameters(), weights);
  if (!bad.empty()) return bad;
  nn::Run run = make_forward_run(batch.B, batch.T, weights);
  run.training = true;
  run.gradients = gradients;
  run.seed = dropout.seed;
  run.micro_step = dropout.micro_step;

  const int64_t C = model_.config().width;
  const auto check = [&](Slot slot, int64_t count) {
    if (bad.empty() && slot.valid() && !all_finite(context_, run.values(slot), count))
      bad = "activation " + planner_.entries()[static_cast<size_t>(slot.index)].name;
  };
  embed(run, batch.tokens);
  check(slots_.embedded, run.rows() * C);
  for (size_t layer = 0; bad.empty() && layer < slots_.blocks.size(); ++layer) {
    const nn::BlockPlan& plan = slots_.blocks[layer];
    model_.blocks()[layer].forward(run, slots_.scratch, plan);
    if (shape_.recompute == nn::Recompute::kNone) {  // else these may be overwritten by now
      const nn::AttentionOptions attention = model_.blocks()[layer].options().attention;
      check(plan.attention_input, run.rows() * C);
      check(plan.attention.qkv, run.rows() * (attention.H + 2 * attention.K) * attention.D);
      check(plan.attention.qk, run.rows() * (attention.H + attention.K) * attention.D);
      check(plan.attention.heads, run.rows() * attention.H * attention.D);
      check(plan.middle, run.rows() * C);
      check(plan.mlp_input, run.rows() * C);
      const nn::MlpOptions mlp = model_.blocks()[layer].options().mlp;
      check(plan.mlp.hidden, run.rows() * (mlp.kind == nn::MlpKind::kSwiglu ? 2 : 1) * mlp.F);
      check(plan.mlp.activation, run.rows() * mlp.F);
    }
    check(plan.output, run.rows() * C);
  }
  if (!bad.empty()) return bad;
  final_norm(run);
  check(slots_.final, run.rows() * C);
  const int64_t V = model_.config().vocabulary_size;
  const int64_t slice = head_rows(model_, shape_);
  for (int64_t begin = 0; bad.empty() && begin < run.rows(); begin += slice) {
    const int64_t rows = std::min(slice, run.rows() - begin);
    model_.head().forward(run, slots_.scratch, slots_.head, rows,
                          run.values(slots_.final) + begin * C, run.values(slots_.logits));
    check(slots_.logits, rows * V);
  }
  if (!bad.empty()) return bad;
  const bool backward = gradients != nullptr;
  if (backward) clear_gradients(gradients);
  const float scale = backward ? 1.0f / static_cast<float>(run.rows()) : 0.0f;
  if (!std::isfinite(head_loss(run, batch, scale))) return "loss";
  if (!backward) return "";
  backward_trunk(run, batch.tokens);
  return first_bad_gradient(model_.parameters(), gradients);
}

}  // namespace cllm
