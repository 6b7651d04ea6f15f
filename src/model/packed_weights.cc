#include "model/packed_weights.h"

namespace cllm {

PackedWeights::Slots PackedWeights::make_plan(const Transformer& model, const ops::Context& context,
                                              ops::Storage storage, Planner& planner) {
  Slots slots;
  for (const nn::Linear* linear : model.linears())
    slots.linears.push_back(linear->plan_packed(planner, context, storage));
  if (const int64_t floats = model.embedding().rounded_floats(); floats > 0)
    slots.rounded = planner.declare_permanent("packed.rounded", floats);
  return slots;
}

int64_t PackedWeights::planned_bytes(const Transformer& model, const ops::Context& context,
                                     ops::Storage storage) {
  Planner planner;
  make_plan(model, context, storage, planner);
  return planner.place() * static_cast<int64_t>(sizeof(float));
}

PackedWeights::PackedWeights(const Transformer& model, const ops::Context& context,
                             ops::Storage storage)
    : embedding_(model.embedding()),
      context_(context),
      storage_(storage),
      linears_(model.linears()),
      slots_(make_plan(model, context, storage, planner_)),
      arena_(planner_.place(), "the packed weights"),
      packed_(model.parameters().all().size()) {}

void PackedWeights::pack(const float* weights) {
  nn::Run run{.context = context_,
              .plan = planner_,
              .arena = arena_.data(),
              .storage = storage_,
              .weights = weights};
  rounded_ = run.rounded = embedding_.round(run, run.at(slots_.rounded));
  size_t index = 0;
  for (const nn::Linear* linear : linears_)
    packed_[static_cast<size_t>(linear->weight_parameter())] =
        linear->pack(run, slots_.linears[index++]);
}

void PackedWeights::hold_weights(const float* weights) {
  pack(weights);
  held_ = weights;
}

std::span<const nn::PackedLinear> PackedWeights::of(const float* weights) {
  if (!holds(weights)) pack(weights);
  return packed_;
}

}  // namespace cllm
