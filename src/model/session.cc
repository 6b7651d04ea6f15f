#include "model/session.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "base/check.h"
#include "model/head_rows.h"
#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/rotary.h"

namespace cllm {
namespace {

// A dropout site above those of the blocks (nn/block.cc) and within the 24 bits of a DropoutKey.
constexpr uint32_t kEmbeddingDropout = 0xffffffu;

int64_t reduction_floats(const Transformer& model, int64_t N) {
  return std::max(model.blocks().front().reduction_floats(N),
                  model.final_norm().reduction_floats(N));
}

// Of every product; logits() makes all rows of its logits at once.
int64_t gemm_floats(const Transformer& model, const ops::Context& context,
                    const nn::PlanShape& shape) {
  const int64_t rows = shape.training ? head_rows(model, shape) : shape.rows();
  return std::max({model.blocks().front().gemm_floats(context, shape),
                   model.embedding().gemm_floats(context, shape),
                   model.head().gemm_floats(context, shape, rows)});
}

}  // namespace

Session::Slots Session::make_plan(const Transformer& model, const ops::Context& context,
                                  const nn::PlanShape& shape, Planner& planner) {
  const ModelConfig& config = model.config();
  CHECK_MSG(config.position != PositionKind::kLearned || shape.S <= config.context_length,
            "S={} but {} learned positions", shape.S, config.context_length);
  Slots slots;
  plan_permanent(model, context, shape, planner, slots);
  plan_forward(model, context, shape, planner, slots);
  if (shape.training) plan_backward(model, shape, planner, slots);
  return slots;
}

void Session::plan_permanent(const Transformer& model, const ops::Context& context,
                             const nn::PlanShape& shape, Planner& planner, Slots& slots) {
  slots.scratch.gemm =
      planner.declare_permanent("scratch.gemm", gemm_floats(model, context, shape));
  slots.scratch.attention = planner.declare_permanent(
      "scratch.attention", model.blocks().front().attention_floats(context, shape));
  if (shape.training)
    slots.scratch.reduction =
        planner.declare_permanent("scratch.reduction", reduction_floats(model, shape.rows()));
  if (shape.weights != ops::WeightType::kFp32) {
    int64_t largest = model.embedding().expanded_floats();
    for (const nn::Linear* linear : model.blocks().front().linears())
      largest = std::max(largest, linear->in() * linear->out());
    slots.scratch.expanded = planner.declare_permanent("scratch.expanded", largest);
  }
  if (model.config().position == PositionKind::kRotary) {
    const int64_t floats = shape.S * model.config().head_width() / 2;
    slots.rotary_cosine = planner.declare_permanent("rotary.cosine", floats);
    slots.rotary_sine = planner.declare_permanent("rotary.sine", floats);
  }
  if (const int64_t floats = model.embedding().rounded_floats(); floats > 0 && !shape.training)
    slots.rounded = planner.declare_permanent("rounded", floats);
  slots.losses = planner.declare_permanent("losses", shape.rows());
}

void Session::plan_forward(const Transformer& model, const ops::Context& context,
                           const nn::PlanShape& shape, Planner& planner, Slots& slots) {
  const int64_t N = shape.rows(), width = N * model.config().width;
  slots.embedding = model.embedding().plan_forward(planner, context, shape);
  slots.embedded = shape.declare(planner, "embedded", width);
  slots.ngram = model.ngram_memory().plan(planner, context, shape);
  planner.advance();
  Slot stream = slots.embedded;
  for (const nn::Block& block : model.blocks()) {
    slots.blocks.push_back(block.plan_forward(planner, shape.of_first_pass(), stream));
    stream = slots.blocks.back().output;
  }
  planner.touch(stream);
  slots.final_norm = model.final_norm().plan(planner, "final_norm", N);
  slots.final = shape.declare(planner, "final", width);
  planner.advance();
  planner.touch(slots.final);
  const int64_t rows = head_rows(model, shape);
  slots.head = model.head().plan(planner, context, shape,
                                 shape.training ? rows : std::max(rows, N));  // logits(): all
  slots.logits = shape.declare(planner, "logits", rows * model.config().vocabulary_size);
  if (model.config().prior_order > 0)
    slots.prior = planner.declare("prior", rows * model.config().vocabulary_size);
}

void Session::plan_backward(const Transformer& model, const nn::PlanShape& shape, Planner& planner,
                            Slots& slots) {
  const int64_t width = shape.rows() * model.config().width;
  slots.dfinal = shape.declare(planner, "dfinal", width);
  planner.advance();
  planner.touch(slots.dfinal);
  planner.touch(slots.blocks.back().output);
  model.final_norm().touch(planner, slots.final_norm);
  slots.dx = shape.declare(planner, "dx", width);
  planner.advance();
  const bool again = shape.recompute == nn::Recompute::kBlock;
  if (again) slots.again.resize(model.blocks().size());
  for (size_t layer = model.blocks().size(); layer-- > 0;) {
    const nn::Block& block = model.blocks()[layer];
    nn::BlockPlan& plan = again ? slots.again[layer] : slots.blocks[layer];
    if (again) {
      planner.touch(slots.dx);
      plan = block.plan_forward(planner, shape, slots.blocks[layer].input, false);
    }
    block.plan_backward(planner, shape, slots.dx, plan);
  }
  planner.touch(slots.dx);
  model.embedding().plan_backward(planner, shape, slots.embedding);
}

Planner Session::plan_only(const Transformer& model, const ops::Context& context,
                           const nn::PlanShape& shape) {
  Planner planner;
  make_plan(model, context, shape, planner);
  planner.place();
  return planner;
}

int64_t Session::planned_bytes(const Transformer& model, const ops::Context& context,
                               const nn::PlanShape& shape) {
  const int64_t bytes =
      plan_only(model, context, shape).arena_floats() * static_cast<int64_t>(sizeof(float));
  if (!shape.training) return bytes;
  return bytes + PackedWeights::planned_bytes(model, context, shape.storage);
}

Session::Session(const Transformer& model, const ops::Context& context, const nn::PlanShape& shape,
                 PackedWeights* shared)
    : model_(model),
      context_(context),
      shape_(shape),
      slots_(make_plan(model, context, shape, planner_)) {
  CHECK_MSG((model.prior() != nullptr) == (model.config().prior_order > 0), "prior_order={}",
            model.config().prior_order);
  arena_ = Arena(planner_.place(), "activations");
  make_rotary_tables();
  if (!shape.training) return;
  packed_ = shared != nullptr ? shared : &own_packed_.emplace(model, context, shape.storage);
}

void Session::hold_weights(const float* weights) {
  if (own_packed_) own_packed_->hold_weights(weights);
}

void Session::release_weights() {
  if (own_packed_) own_packed_->release_weights();
}

std::span<const nn::PackedLinear> Session::packed(const float* weights) {
  if (packed_ == nullptr) return {};
  CHECK(own_packed_ || packed_->holds(weights));
  return packed_->of(weights);
}

void Session::make_rotary_tables() {
  if (!slots_.rotary_cosine.valid()) return;
  const int64_t D = model_.config().head_width();
  std::vector<double> frequencies;
  for (int64_t i = 0; i < D / 2; ++i)
    frequencies.push_back(std::pow(model_.config().rotary_base,
                                   -2.0 * static_cast<double>(i) / static_cast<double>(D)));
  ops::rotary_tables(shape_.S, frequencies, arena_.data() + planner_.offset(slots_.rotary_cosine),
                     arena_.data() + planner_.offset(slots_.rotary_sine));
}

nn::Run Session::make_run(int64_t B, int64_t T, const float* weights) {
  CHECK_MSG(B >= 1 && T >= 1 && B * T <= shape_.rows() && T <= shape_.S, "{} x {}, planned {} x {}",
            B, T, shape_.B, shape_.T);
  nn::Run run{.context = context_,
              .plan = planner_,
              .arena = arena_.data(),
              .storage = shape_.storage,
              .packed = packed(weights),
              .weights = weights,
              .B = B,
              .T = T};
  run.rotary_cosine = run.at(slots_.rotary_cosine);
  run.rotary_sine = run.at(slots_.rotary_sine);
  return run;
}

nn::Run Session::make_forward_run(int64_t B, int64_t T, const float* weights) {
  nn::Run run = make_run(B, T, weights);
  run.rounded = packed_ != nullptr ? packed_->rounded()
                                   : model_.embedding().round(run, run.at(slots_.rounded));
  return run;
}

void Session::embed(const nn::Run& run, const int32_t* tokens) {
  const int64_t C = model_.config().width, V = model_.config().vocabulary_size;
  for (int64_t n = 0; n < run.rows(); ++n)
    CHECK_MSG(tokens[n] >= 0 && tokens[n] < V, "tokens[{}]={} V={}", n, tokens[n], V);
  const Parameter* positions = model_.position_table();
  const float* position_rows = positions == nullptr ? nullptr : run.weights + positions->offset;
  const ops::Values x = run.values(slots_.embedded);
  model_.embedding().forward(run, slots_.scratch, slots_.embedding, tokens, position_rows, x);
  model_.ngram_memory().forward(run, slots_.ngram, tokens, x);
  const auto dropout = static_cast<float>(model_.config().dropout);
  if (run.training && dropout > 0)
    ops::dropout(context_, run.rows() * C, dropout, run.dropout_key(kEmbeddingDropout), x, x);
}

void Session::forward_blocks(const nn::Run& run) {
  for (size_t layer = 0; layer < slots_.blocks.size(); ++layer)
    model_.blocks()[layer].forward(run, slots_.scratch, slots_.blocks[layer]);
}

Slot Session::last_output() const {
  return slots_.blocks.back().output;
}

void Session::final_norm(const nn::Run& run) {
  model_.final_norm().forward(run, slots_.final_norm, run.rows(), run.values(last_output()),
                              run.values(slots_.final));
}

void Session::backward_trunk(const nn::Run& run, const int32_t* tokens) {
  backward_final_norm(run);
  for (size_t layer = slots_.blocks.size(); layer-- > 0;)
    backward_block(run, layer);
  backward_embedding(run, tokens);
}

void Session::backward_final_norm(const nn::Run& run) {
  const int64_t N = run.rows(), C = model_.config().width;
  const ops::Values dx = run.values(slots_.dx);
  ops::fill_zero(context_, N * C, dx);
  model_.final_norm().backward(run, slots_.scratch, slots_.final_norm, N, run.values(last_output()),
                               run.values(slots_.dfinal), dx);
}

void Session::backward_block(const nn::Run& run, size_t layer) {
  const nn::Block& block = model_.blocks()[layer];
  const bool again = !slots_.again.empty();
  const nn::BlockPlan& plan = again ? slots_.again[layer] : slots_.blocks[layer];
  if (again) block.forward(run, slots_.scratch, plan);
  block.backward(run, slots_.scratch, plan, run.values(slots_.dx));
}

void Session::backward_embedding(const nn::Run& run, const int32_t* tokens) {
  const int64_t N = run.rows(), C = model_.config().width;
  const ops::Values dx = run.values(slots_.dx);
  const auto dropout = static_cast<float>(model_.config().dropout);
  if (run.training && dropout > 0)
    ops::dropout(context_, N * C, dropout, run.dropout_key(kEmbeddingDropout), dx, dx);
  const Parameter* positions = model_.position_table();
  model_.embedding().backward(run, slots_.scratch, slots_.embedding, tokens, dx,
                              positions == nullptr ? nullptr : run.gradients + positions->offset);
  model_.ngram_memory().backward(run, slots_.ngram, dx);
}

void Session::clear_gradients(float* gradients) const {
  ops::fill_zero(context_, model_.parameters().arena_floats(), gradients);
}

nn::Run Session::training_run(const Batch& batch, const float* weights, DropoutSeed dropout) {
  CHECK(shape_.training);
  nn::Run run = make_forward_run(batch.B, batch.T, weights);
  run.training = true;
  run.seed = dropout.seed;
  run.micro_step = dropout.micro_step;
  return run;
}

void Session::forward_trunk(const nn::Run& run, const int32_t* tokens) {
  embed(run, tokens);
  forward_blocks(run);
  final_norm(run);
}

double Session::forward_backward(const Batch& batch, const float* weights, float gradient_scale,
                                 DropoutSeed dropout, float* gradients) {
  nn::Run run = training_run(batch, weights, dropout);
  run.gradients = gradients;
  forward_trunk(run, batch.tokens);
  const double loss = head_loss(run, batch, gradient_scale);
  backward_trunk(run, batch.tokens);
  return loss;
}

double Session::forward_backward(const Batch& batch, const float* weights, float gradient_scale,
                                 DropoutSeed dropout, const GradientStream& stream) {
  nn::Run run = training_run(batch, weights, dropout);
  const GradientWindow& window = stream.window;
  const auto enter = [&](ParameterRange range) {
    run.gradients = window.base(range, stream.memory);
  };
  forward_trunk(run, batch.tokens);
  const ParameterRange head = model_.config().tied_head ? window.front() : window.back();
  enter(head);
  const double loss = head_loss(run, batch, gradient_scale);
  if (!std::isfinite(loss)) {
    ops::fill_zero(context_, head.count(), window.at(head, stream.memory));
    return loss;
  }
  enter(window.back());
  backward_final_norm(run);
  for (size_t layer = slots_.blocks.size(); layer-- > 0;) {
    enter(window.block(layer));
    backward_block(run, layer);
    stream.finished(window.block(layer));
  }
  stream.finished(window.back());
  enter(window.front());
  backward_embedding(run, batch.tokens);
  stream.finished(window.front());
  return loss;
}

double Session::evaluate(const Batch& batch, const float* weights,
                         const nn::InputObserver* observer) {
  nn::Run run = make_forward_run(batch.B, batch.T, weights);
  run.observer = observer;
  forward_trunk(run, batch.tokens);
  return head_loss(run, batch, 0);
}

void Session::gather(const nn::Run& run, std::span<const int32_t> tokens,
                     const DecodeWeights& weights) {
  std::array<int64_t, ops::kDecodeRows> first_positions;
  for (size_t b = 0; b < run.caches.size(); ++b)
    first_positions[b] = run.caches[b].length;
  const Parameter* table = model_.position_table();
  model_.embedding().recall(run, slots_.scratch, slots_.embedding, tokens, first_positions,
                            table != nullptr ? &weights.matrix(*table) : nullptr,
                            run.at(slots_.embedded));
  model_.ngram_memory().recall(run, slots_.ngram, tokens, run.at(slots_.embedded));
}

std::span<const float> Session::extend_hidden(std::span<const int32_t> tokens,
                                              const DecodeWeights& weights,
                                              std::span<nn::KvCache> caches) {
  const auto B = static_cast<int64_t>(caches.size()), N = static_cast<int64_t>(tokens.size());
  CHECK_MSG(B >= 1 && B <= ops::kDecodeRows && N % B == 0 && weights.type() == shape_.weights,
            "B={} N={}", B, N);
  const int64_t T = N / B;
  nn::Run run = make_run(B, T, weights.values());
  run.stored = weights.matrices();
  run.caches = caches;
  gather(run, tokens, weights);
  forward_blocks(run);
  final_norm(run);
  for (size_t b = 0; b < caches.size(); ++b) {
    CHECK_MSG(caches[b].capacity <= shape_.S, "capacity {}, planned {}", caches[b].capacity,
              shape_.S);
    caches[b].append(tokens.subspan(b * static_cast<size_t>(T), static_cast<size_t>(T)));
  }
  const int64_t C = model_.config().width;
  const float* last = run.at(slots_.final) + (B == 1 ? (T - 1) * C : 0);
  return {last, static_cast<size_t>(B * C)};
}

std::span<float> Session::extend(std::span<const int32_t> tokens, const DecodeWeights& weights,
                                 std::span<nn::KvCache> caches) {
  return head_logits(extend_hidden(tokens, weights, caches), weights, caches);
}

}  // namespace cllm
