// cllm gradcheck: proof on this machine that backward is the derivative of forward.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/field_options.h"
#include "cli/program.h"
#include "cli/settings_options.h"
#include "crystal/embedding_codes.h"
#include "crystal/ngram_moduli.h"
#include "model/engine.h"
#include "model/model_folder.h"
#include "train/checkpoint.h"
#include "train/gradcheck.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

// A model of any size is checked in a small copy of its shape: every kind of layer is in it, and it
// takes seconds.
constexpr int64_t kLayers = 2, kHeads = 4, kHeadSize = 16, kMlpWidth = 192, kVocabulary = 259,
                  kNgramRows = 64, kPrimes = 64, kDenseRows = 16;

struct CheckSettings {
  int64_t batch_size = 2;
  int64_t tokens = 16;
  int64_t seed = 1;
  int64_t threads = 0;
  void list(FieldList& fields) {
    fields.add("batch_size", batch_size, {.help = "sequences", .minimum = 1, .maximum = 64});
    fields.add("tokens", tokens, {.help = "tokens per sequence", .minimum = 1, .maximum = 1024});
    fields.add("seed", seed, {.help = "seed of weights and tokens", .minimum = 0});
    fields.add("threads", threads,
               {.help = "threads; 0 = one per core", .minimum = 0, .maximum = 1024});
  }
};

struct CheckOptions {
  std::string run, preset;
  std::vector<std::string> assignments;
  FieldOptions fields;
};

ModelConfig asked_shape(const CheckOptions& options, Log& log) {
  ModelConfig config;
  SettingsBinder binder;
  if (!options.run.empty()) config = load_model_config(resolve_model_folder(options.run, log));
  binder.add_section("model", config);
  if (options.run.empty()) apply_preset(options.preset.empty() ? "demo" : options.preset, binder);
  for (const std::string& assignment : options.assignments)
    binder.apply_assignment(assignment);
  return config;
}

// The same kinds of layers, no wider and deeper than the constants above.
ModelConfig small_copy(ModelConfig config, int64_t tokens) {
  if (config.embedding == nn::EmbeddingKind::kLattice)
    throw Error(ErrorKind::kUsage, "model.embedding",
                "the points of a lattice do not move with small changes, so no difference tells "
                "the gradient that they are trained with",
                "check --set model.embedding=dense, whose gradient it is");
  const int64_t group = config.heads / config.kv_head_count();
  const int64_t head = std::min(config.head_width(), kHeadSize);
  const bool wide_mlp = config.mlp_hidden() > kMlpWidth;
  config.layers = std::min(config.layers, kLayers);
  if (config.heads > kHeads) {
    config.kv_heads = std::max<int64_t>(1, kHeads / group);
    config.heads = config.kv_heads * std::min(group, kHeads);
  }
  config.width = std::min(config.width, config.heads * head);
  config.head_size = head;
  config.mlp_width = wide_mlp ? kMlpWidth : config.mlp_hidden();
  config.context_length = std::min(config.context_length, tokens);
  config.vocabulary_size =
      config.vocabulary_size == 0 ? kVocabulary : std::min(config.vocabulary_size, kVocabulary);
  if (config.embedding == nn::EmbeddingKind::kFactorised)
    config.embedding_width =
        std::min(config.factor_width(), std::max<int64_t>(config.width / 2, 1));
  if (config.embedding == nn::EmbeddingKind::kComposite) config.embedding_primes = kPrimes;
  config.embedding_dense_rows = std::min(config.embedding_dense_rows, kDenseRows);
  config.prior_order = std::min(config.prior_order, config.context_length + 1);
  if (config.ngram_order > 0) {
    config.ngram_rows = std::min(config.ngram_rows, kNgramRows);
    config.ngram_modulus_a = config.ngram_modulus_b = 0;  // of another vocabulary
    choose_ngram_moduli(config);
  }
  return config;
}

const char* direction_name(GradcheckDirection direction) {
  return direction == GradcheckDirection::kGradient ? "gradient" : "random";
}

Json to_json(const GradcheckReport& report) {
  Json rows = Json::array();
  for (const GradcheckRow& row : report.rows)
    rows.push_back({{"parameter", row.parameter},
                    {"direction", direction_name(row.direction)},
                    {"analytic", row.analytic},
                    {"numeric", row.numeric},
                    {"error", row.error},
                    {"ok", row.ok}});
  return {{"ok", report.ok}, {"tolerance", kGradcheckTolerance}, {"rows", rows}};
}

void print(const GradcheckReport& report, Output& out) {
  out.print("{:<34} {:<9} {:>13} {:>13} {:>9}\n", "parameter", "along", "analytic", "numeric",
            "error");
  for (const GradcheckRow& row : report.rows)
    out.print("{:<34} {:<9} {:>13.6e} {:>13.6e} {:>9.1e}{}\n", row.parameter,
              direction_name(row.direction), row.analytic, row.numeric, row.error,
              row.ok ? "" : "  WRONG");
}

int gradcheck_command(const CheckOptions& options, ActionContext& context) {
  CheckSettings settings;
  SettingsBinder binder;
  binder.add_section("gradcheck", settings);
  options.fields.apply(binder);
  const ModelConfig config = small_copy(asked_shape(options, context.log), settings.tokens);
  context.log.info(fmt::format(
      "checking a copy with {} layers, {} heads ({} key/value), width {}, MLP {}, vocabulary {}",
      config.layers, config.heads, config.kv_head_count(), config.width, config.mlp_hidden(),
      config.vocabulary_size));
  const Engine engine(static_cast<int>(settings.threads));
  context.log.info(engine.description());
  const GradcheckReport report =
      gradcheck(config, engine.context(), settings.batch_size,
                std::min(settings.tokens, config.context_length),
                static_cast<uint64_t>(settings.seed), stand_in_codes(config));
  if (context.global.json)
    context.out.json(to_json(report));
  else
    print(report, context.out);
  const auto wrong =
      std::ranges::count_if(report.rows, [](const GradcheckRow& row) { return !row.ok; });
  if (wrong > 0)
    throw Error(ErrorKind::kRuntime, "",
                fmt::format("{} of {} gradients are wrong", wrong, report.rows.size()),
                "try CLLM_ISA=scalar, and report this");
  context.log.info(fmt::format("all {} gradients are right (error <= {})", report.rows.size(),
                               kGradcheckTolerance));
  return 0;
}

}  // namespace

void add_gradcheck(Program& program) {
  CLI::App* command = add_command(
      program, program.app, "gradcheck", "Check the gradients against differences of the loss",
      "  cllm gradcheck --preset gpt2\n"
      "  cllm gradcheck runs/demo\n"
      "  CLLM_ISA=avx2 cllm gradcheck --preset demo --set model.qk_norm=true");
  auto options = std::make_shared<CheckOptions>();
  CLI::Option* run = command->add_option(
      "RUN", options->run, "a run, a checkpoint, or a folder with a GPT-2 or Llama model");
  command->add_option("--preset", options->preset, "shape of the model instead (default: demo)")
      ->type_name("NAME")
      ->excludes(run);
  command->add_option("--set", options->assignments, "a setting of the model")
      ->type_name("model.KEY=VALUE")
      ->allow_extra_args(false);
  options->fields.add_section<CheckSettings>(*command, "gradcheck");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) {
      return gradcheck_command(*options, context);
    };
  });
}

}  // namespace cllm::cli
