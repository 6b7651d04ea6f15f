#include "train/derived_arm.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "crystal/absorbed_model.h"
#include "crystal/coded_matrix.h"
#include "crystal/ngram_prior_file.h"
#include "data/prepare.h"
#include "train/baseline.h"
#include "train/choice_arm.h"
#include "train/compress.h"
#include "train/corpus.h"
#include "train/gradient_source.h"
#include "train/mixture.h"
#include "train/operation_parallel.h"
#include "train/run.h"

namespace cllm {
namespace {

// The end of a training, opened.
struct Source {
  RunSettings settings;
  LoadedModel loaded;
  Corpus corpus;

  const Transformer& model() const { return *loaded.model; }
};

LoadedModel load_any_model(const fs::path& folder) {
  return load_model(folder, coded_matrix_decoder(), read_ngram_prior);
}

Source open_source(const DerivedInputs& inputs) {
  RunSettings settings = stored_run_settings(inputs.run);
  LoadedModel loaded = load_any_model(inputs.run.checkpoint(inputs.step));
  Corpus corpus = open_corpus(settings, inputs.run.data(), Tokenizer::load(inputs.run.tokenizer()));
  return {std::move(settings), std::move(loaded), std::move(corpus)};
}

// Of the run's evaluations.
EvalWindows windows_of(const Source& source, int64_t batch) {
  return {source.corpus.validation, batch, source.model().config().context_length};
}

Evaluation evaluate_batches(const Source& source, const EvalWindows& windows,
                            const BatchLoss& batch_loss, const DerivedInputs& inputs) {
  return evaluate(windows, source.settings.evaluation.windows, token_bytes(source.corpus.tokenizer),
                  batch_loss, [&](int64_t, int64_t) { inputs.check_stop(); });
}

// As the run evaluates its own weights.
double held_out_loss(const Source& source, const Transformer& model, const float* weights,
                     const DerivedInputs& inputs) {
  const auto gradients = make_gradient_source(model, inputs.engine.context(), source.settings);
  const HeldWeights held(*gradients, weights);
  return evaluate_batches(
             source, windows_of(source, gradients->evaluation_batch()),
             [&](const Batch& batch) { return gradients->evaluate(batch, weights); }, inputs)
      .loss;
}

// To nearest, ties to even; x is finite.
float rounded_to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  return std::bit_cast<float>((bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000U);
}

Figures make(const RoundedArm&, Source& source, const DerivedInputs& inputs, const fs::path&) {
  const Transformer& model = source.model();
  float* const weights = source.loaded.weights.data();
  for (int64_t i = 0; i < model.parameters().arena_floats(); ++i)
    weights[i] = rounded_to_bf16(weights[i]);
  const int64_t bytes = model_file_bytes(inputs.run.checkpoint(inputs.step));
  const int64_t halves = int64_t{sizeof(float) / 2} * model.parameters().count();
  return {{Quantity::kLoss, held_out_loss(source, model, weights, inputs)},
          {Quantity::kBytes, static_cast<double>(bytes - halves)}};
}

Figures figures_of_folder(const fs::path& folder, const Source& source,
                          const DerivedInputs& inputs) {
  const LoadedModel model = load_any_model(folder);
  return {{Quantity::kLoss, held_out_loss(source, *model.model, model.weights.data(), inputs)},
          {Quantity::kBytes, static_cast<double>(model_file_bytes(folder))}};
}

Figures make(const CompressedArm& arm, Source& source, const DerivedInputs& inputs,
             const fs::path& place) {
  if (fs::exists(place)) {
    verify_compressed(place);
  } else {
    CompressSettings settings;
    settings.bits = arm.bits;
    settings.method = arm.method;
    compress_model({source.model(), source.loaded.weights.data(), source.corpus.tokenizer,
                    source.corpus.train},
                   settings, place, inputs.engine,
                   {.progress = [&](const CompressProgress&) { inputs.check_stop(); },
                    .finished = [](const CompressedPiece&, bool) {}});
  }
  return figures_of_folder(place, source, inputs);
}

Figures make(const ResizedArm& arm, Source& source, const DerivedInputs& inputs,
             const fs::path& place) {
  if (fs::exists(place)) {
    verify_resized(place);
  } else {
    ResizeSettings settings;
    settings.width = arm.width;
    settings.method = arm.method;
    resize_model({source.model(), source.loaded.weights.data(), source.corpus.tokenizer,
                  source.corpus.train},
                 settings, place, inputs.engine,
                 [&](std::string_view, int64_t, int64_t) { inputs.check_stop(); });
  }
  return figures_of_folder(place, source, inputs);
}

// Of the run's model, by target of the windows.
std::vector<float> model_losses(const Source& source, const EvalWindows& windows,
                                const DerivedInputs& inputs) {
  const int64_t T = windows.context();
  OperationParallel session(source.model(), inputs.engine.context(),
                            {.B = windows.batch_size(),
                             .T = T,
                             .S = T,
                             .training = true,
                             .storage = source.settings.precision.storage(),
                             .recompute = source.settings.train.recompute});
  const float* const weights = source.loaded.weights.data();
  const HeldWeights held(session, weights);
  std::vector<float> losses;
  evaluate_batches(
      source, windows, [&](const Batch& batch) { return session.evaluate(batch, weights, losses); },
      inputs);
  return losses;
}

int64_t evaluation_batch(const Source& source, const DerivedInputs& inputs) {
  return make_gradient_source(source.model(), inputs.engine.context(), source.settings)
      ->evaluation_batch();
}

Figures make(const CountsArm& arm, Source& source, const DerivedInputs& inputs, const fs::path&) {
  const NgramCounts counts =
      count_ngrams(source.corpus.train, source.corpus.tokenizer.vocabulary_size(), arm.order,
                   [&](int64_t, int64_t) { inputs.check_stop(); });
  const KneserNey model(counts);
  const EvalWindows windows = windows_of(source, evaluation_batch(source, inputs));
  std::vector<float> losses;
  const Evaluation alone = evaluate_batches(
      source, windows, [&](const Batch& batch) { return baseline_loss(model, batch, losses); },
      inputs);
  if (!arm.mixed) return {{Quantity::kLoss, alone.loss}};
  if (losses.size() < 2)
    throw Error(ErrorKind::kData, inputs.run.path().string(),
                "has a held-out text of one token, of which no mixture can be chosen",
                "give more text");
  const double together = mix(model_losses(source, windows, inputs), losses).loss;
  return {{Quantity::kLoss, together / static_cast<double>(alone.tokens)}};
}

Figures make(const ChoiceArm& arm, Source& source, const DerivedInputs& inputs, const fs::path&) {
  return measure_choice(
      arm, {source.model(), source.loaded.weights.data(), source.corpus.tokenizer.vocabulary_size(),
            source.corpus.validation, inputs.engine, inputs.check_stop});
}

struct Describe {
  std::string operator()(const RoundedArm&) const { return "rounded to bf16"; }
  std::string operator()(const CompressedArm& arm) const {
    return fmt::format("compressed by {}, {} bits", quantise_method_name(arm.method), arm.bits);
  }
  std::string operator()(const ResizedArm& arm) const {
    return fmt::format("resized to width {} by {}", arm.width, resize_method_name(arm.method));
  }
  std::string operator()(const CountsArm& arm) const {
    return fmt::format("{}modified Kneser-Ney of order {}", arm.mixed ? "mixed with " : "",
                       arm.order);
  }
  std::string operator()(const ChoiceArm& arm) const { return description(arm); }
};

struct Refuse {
  const RunSettings& settings;

  void operator()(const RoundedArm&) const {}
  void operator()(const CompressedArm&) const {
    if (settings.model.embedding == nn::EmbeddingKind::kLattice)
      throw Error(ErrorKind::kUsage, "model.embedding",
                  "a lattice is rounded already, and is not compressed", "choose another one");
  }
  void operator()(const ResizedArm& arm) const {
    ResizeSettings resize;
    resize.width = arm.width;
    resized_width(resize, settings.model);
    resized_config(settings.model, arm.width);
  }
  void operator()(const CountsArm&) const {}
  void operator()(const ChoiceArm& arm) const { refuse_choice(arm, settings); }
};

// What an earlier call has stored.
Figures read_figures(const fs::path& path) {
  const Figures figures = figures_of_json(nlohmann::json::parse(read_file(path), nullptr, false));
  if (!figures.empty()) return figures;
  throw Error(ErrorKind::kData, path.string(), "holds no figures", "remove it to make it again");
}

}  // namespace

std::string description(const DerivedArm& arm) {
  return fmt::format("{}: {}", arm.source, std::visit(Describe(), arm.how));
}

void refuse_underivable(const DerivedArm& arm, const RunSettings& settings) {
  std::visit(Refuse{settings}, arm.how);
}

int64_t model_file_bytes(const fs::path& folder) {
  int64_t bytes = static_cast<int64_t>(fs::file_size(folder / "model.safetensors"));
  if (const fs::path prior = folder / kPriorFile; fs::exists(prior))
    bytes += static_cast<int64_t>(fs::file_size(prior));
  return bytes;
}

Figures derive(const DerivedArm& arm, const DerivedInputs& inputs, const fs::path& place) {
  const fs::path path = fs::path(place) += ".json";
  if (fs::exists(path)) return read_figures(path);
  inputs.check_stop();
  Source source = open_source(inputs);
  const Figures figures =
      std::visit([&](const auto& how) { return make(how, source, inputs, place); }, arm.how);
  for (const auto& [quantity, value] : figures)
    if (!std::isfinite(value))
      throw Error(ErrorKind::kData, path.string(),
                  fmt::format("{} is {}", text_of(quantity).key, value),
                  "begin again with settings under which the model trains");
  write_file(path, figures_json(figures).dump(2) + "\n");
  return figures;
}

}  // namespace cllm
