// cllm eval: how well a model predicts a text, beside or without it an n-gram baseline.
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/error.h"
#include "base/progress.h"
#include "cli/eval_baseline.h"
#include "cli/field_options.h"
#include "cli/input.h"
#include "cli/model_text.h"
#include "cli/program.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "data/prepare.h"
#include "model/engine.h"
#include "train/corpus.h"
#include "train/evaluation.h"
#include "train/operation_parallel.h"

namespace cllm::cli {
namespace {

struct EvalSettings {
  int64_t batch_size = 16;
  int64_t context_length = 0;
  int64_t windows = 0;
  int64_t threads = 0;
  void list(FieldList& fields) {
    fields.add("batch_size", batch_size,
               {.help = "windows at a time", .minimum = 1, .maximum = 1 << 16});
    fields.add("context_length", context_length,
               {.help = "tokens per window; 0 = the model's context", .minimum = 0});
    fields.add("windows", windows,
               {.help = "about so many windows, spread over the text; 0 = all", .minimum = 0});
    fields.add("threads", threads,
               {.help = "threads; 0 = one per core", .minimum = 0, .maximum = 1024});
  }
};

struct EvalOptions {
  ModelArgument model;
  std::vector<std::string> data;
  FieldOptions fields;
  BaselineOptions baseline;
};

// tokenizer: a path; "" makes one from the text, as training does.
Corpus given_corpus(const EvalOptions& options, const std::string& tokenizer,
                    double validation_fraction, const fs::path& folder, Log& log) {
  RunSettings settings;
  settings.tokenizer.path = tokenizer;
  apply_data(options.data, settings);
  settings.data.validation_fraction = validation_fraction;
  return make_corpus(settings, folder, log, [] { return stop_signal() != 0; });
}

int64_t usable_length(const EvalSettings& settings, const ModelConfig& model,
                      const TokenView& text) {
  if (settings.context_length > model.context_length)
    throw Error(
        ErrorKind::kUsage, "--context-length",
        fmt::format("{} is above the model's {}", settings.context_length, model.context_length),
        "choose a shorter one");
  const int64_t wanted =
      settings.context_length > 0 ? settings.context_length : model.context_length;
  return usable_context(text, wanted);
}

void print(const Evaluation& result, const fs::path& folder, int64_t context,
           const std::optional<BaselineReport>& baseline, ActionContext& action) {
  if (action.global.json) {
    nlohmann::ordered_json document{
        {"model", folder.string()},        {"loss", result.loss},
        {"perplexity", result.perplexity}, {"bits_per_byte", result.bits_per_byte},
        {"tokens", result.tokens},         {"bytes", result.bytes},
        {"context_length", context}};
    if (baseline) document["baseline"] = baseline_json(*baseline);
    action.out.json(document);
    return;
  }
  action.out.print("loss           {:.4f} nats per token\n", result.loss);
  action.out.print("perplexity     {:.3f}\n", result.perplexity);
  action.out.print("bits per byte  {:.4f}\n", result.bits_per_byte);
  action.out.print("tokens         {} in windows of {}\n", result.tokens, context);
  if (!baseline) return;
  action.out.write("\n");
  print_baseline(*baseline, &result, context, action.out);
}

// The baseline of a run's model, fitted on the training text of the run.
std::optional<BaselineReport> beside_model(const EvalOptions& options, const ModelInUse& model,
                                           TokenView text, const EvalWindows& windows,
                                           int64_t limit, Log& log) {
  if (!options.baseline.given()) return std::nullopt;
  const Corpus own = own_corpus(options.model, model, "training text to fit the baseline to",
                                "leave it out: `cllm eval --baseline kn --data PATH`");
  return measure_baseline(options.baseline, own.train, text, &windows, limit, own.tokenizer, log);
}

int eval_model(const EvalOptions& options, const EvalSettings& settings, ActionContext& context) {
  const ModelInUse model = load_model_argument(options.model, context.log);
  const ScratchFolder scratch;
  const std::string tokenizer =
      options.model.tokenizer.empty() ? model.folder.string() : options.model.tokenizer;
  const Corpus corpus =
      options.data.empty()
          ? own_corpus(options.model, model, "held-out text", "give a text with --data PATH")
          : given_corpus(options, tokenizer, 0, scratch.path(), context.log);
  // The built-in corpus brings held-out stories; other texts are held out as a whole.
  const bool whole = !options.data.empty() && corpus.validation.size() == 0;
  const TokenView text = whole ? corpus.train : corpus.validation;
  const int64_t T = usable_length(settings, model.loaded.model->config(), text);
  const int64_t B = std::clamp<int64_t>((text.size() - 1) / T, 1, settings.batch_size);
  const EvalWindows windows(text, B, T);
  std::optional<BaselineReport> baseline =
      beside_model(options, model, text, windows, settings.windows, context.log);

  const Engine engine(static_cast<int>(settings.threads));
  OperationParallel source(*model.loaded.model, engine.context(),
                           {.B = B, .T = T, .S = T, .training = false});
  Progress progress(context.log, "evaluating", text.size());
  const float* const weights = model.loaded.weights.data();
  const HeldWeights held(source, weights);
  std::vector<float> losses;
  const auto batch_loss = [&](const Batch& batch) {
    return baseline ? source.evaluate(batch, weights, losses) : source.evaluate(batch, weights);
  };
  const Evaluation result = evaluate(windows, settings.windows, token_bytes(corpus.tokenizer),
                                     batch_loss, [&](int64_t done, int64_t batches) {
                                       check_interrupt();
                                       progress.update(done * text.size() / batches);
                                     });
  if (!std::isfinite(result.loss))
    throw Error(ErrorKind::kDiverged, model.folder.string(),
                fmt::format("the loss is {}", result.loss), "use an earlier checkpoint");
  if (baseline) add_mixture(losses, result, *baseline);
  print(result, model.folder, T, baseline, context);
  return 0;
}

// The baseline without a model: fitted on what a training run would learn from, measured on what it
// would hold out.
int eval_baseline_alone(const CLI::App& command, const EvalOptions& options,
                        const EvalSettings& settings, ActionContext& context) {
  if (!options.baseline.given() || options.data.empty())
    throw Error(ErrorKind::kUsage, "RUN", "is missing",
                "give a run, or `--baseline kn --data PATH` without one");
  refuse_without(command, "RUN", {"--threads"});
  if (settings.context_length == 0)
    refuse_without(command, "--context-length N", {"--windows", "--batch-size"});
  const ScratchFolder scratch;
  const Corpus corpus =
      given_corpus(options, options.model.tokenizer, DataSettings{}.validation_fraction,
                   scratch.path(), context.log);
  const TokenView text = corpus.validation;
  const int64_t T = usable_context(text, std::max<int64_t>(settings.context_length, 1));
  std::optional<EvalWindows> windows;
  if (settings.context_length > 0) windows.emplace(text, settings.batch_size, T);
  const BaselineReport report =
      measure_baseline(options.baseline, corpus.train, text, windows ? &*windows : nullptr,
                       settings.windows, corpus.tokenizer, context.log);
  if (context.global.json)
    context.out.json({{"context_length", windows ? T : 0}, {"baseline", baseline_json(report)}});
  else
    print_baseline(report, nullptr, T, context.out);
  return 0;
}

int eval(const CLI::App& command, const EvalOptions& options, ActionContext& context) {
  EvalSettings settings;
  SettingsBinder binder;
  binder.add_section("eval", settings);
  binder.apply_environment();
  options.fields.apply(binder);
  install_signal_handlers();
  return options.model.run.empty() ? eval_baseline_alone(command, options, settings, context)
                                   : eval_model(options, settings, context);
}

}  // namespace

void add_eval(Program& program) {
  CLI::App* command = add_command(program, program.app, "eval", "Measure a model on a text",
                                  "  cllm eval runs/demo\n"
                                  "  cllm eval runs/demo --data book.txt --json\n"
                                  "  cllm eval gpt2/ --data notes/ --context-length 512\n"
                                  "  cllm eval runs/demo --baseline kn\n"
                                  "  cllm eval --baseline kn --order 5 --data book.txt");
  auto options = std::make_shared<EvalOptions>();
  options->model.add_to(*command);
  command->get_option("RUN")->required(false);  // the baseline can be measured alone
  add_data_option(*command, options->data)
      ->description(fmt::format("{} (default: the run's own held-out text)",
                                command->get_option("--data")->get_description()));
  options->fields.add_section<EvalSettings>(*command, "eval");
  options->baseline.add_to(*command);
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return eval(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
