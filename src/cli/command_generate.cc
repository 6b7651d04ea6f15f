// cllm generate: text from a model, shown as it comes.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "cli/field_options.h"
#include "cli/input.h"
#include "cli/model_argument.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "model/engine.h"
#include "model/generator.h"

namespace cllm::cli {
namespace {

struct GenerateSettings {
  int64_t max_tokens = 256;
  int64_t threads = 0;
  void list(FieldList& fields) {
    fields.add("max_tokens", max_tokens, {.help = "longest text", .unit = "tokens", .minimum = 1});
    fields.add("threads", threads,
               {.help = "threads; 0 = one per core", .minimum = 0, .maximum = 1024});
  }
};

struct GenerateOptions {
  ModelArgument model;
  std::string prompt, prompt_file;
  std::vector<std::string> stop;
  bool escapes = false;
  bool no_echo = false;
  FieldOptions fields;
};

const char* reason_name(StopReason reason) {
  switch (reason) {
    case StopReason::kLength:
      return "length";
    case StopReason::kEndToken:
      return "end_of_text";
    case StopReason::kStopString:
      return "stop_string";
    case StopReason::kInterrupted:
      break;
  }
  return "interrupted";
}

double rate(int64_t tokens, double seconds) {
  return seconds > 0 ? static_cast<double>(tokens) / seconds : 0;
}

std::string read_prompt(const GenerateOptions& options) {
  if (!options.prompt_file.empty()) return read_text(options.prompt_file);
  if (options.prompt == "-") return read_text("-");
  return options.escapes ? unescaped(options.prompt, "--prompt") : options.prompt;
}

GenerationOptions generation_options(const GenerateOptions& options, GenerateSettings& settings) {
  GenerationOptions generation;
  SettingsBinder binder;
  binder.add_section("generate", settings);
  binder.add_section("sampling", generation.sampling);
  binder.apply_environment();
  options.fields.apply(binder);
  generation.max_tokens = settings.max_tokens;
  for (const std::string& stop : options.stop)
    generation.stop.push_back(options.escapes ? unescaped(stop, "--stop") : stop);
  return generation;
}

// Refuses a prompt that the tokenizer cannot take before anything is shown.
void check_prompt(const ModelInUse& model, const std::string& prompt, Log& log) {
  std::vector<Token> tokens;
  model.tokenizer.encode_with_special_tokens(prompt, tokens, {.name = "prompt"});
  const int64_t context = model.loaded.model->config().context_length;
  if (std::ssize(tokens) > context)
    log.warn(fmt::format("the prompt has {} tokens: the model sees only the last {}", tokens.size(),
                         context));
}

nlohmann::ordered_json to_json(const ModelInUse& model, const std::string& prompt,
                               const SamplingOptions& sampling, const Generation& generation) {
  return {{"model", model.folder.string()},
          {"prompt", prompt},
          {"text", generation.text},
          {"reason", reason_name(generation.reason)},
          {"prompt_tokens", generation.prompt_tokens},
          {"tokens", generation.tokens},
          {"seed", sampling.seed},
          {"prompt_tokens_per_second", rate(generation.prompt_tokens, generation.prompt_seconds)},
          {"tokens_per_second", rate(generation.tokens, generation.seconds)}};
}

// The streaming form: the prompt first, so that both read as one text.
Generation stream(Generator& generator, const ModelInUse& model, const std::string& prompt,
                  const GenerationOptions& generation, bool echo, Output& out) {
  if (echo) out.write(prompt);
  out.flush();
  const Generation result =
      generator.generate(model.tokenizer, prompt, generation, [&](std::string_view text) {
        out.write(text);
        out.flush();
        return stop_signal() == 0;
      });
  const std::string shown = (echo ? prompt : "") + result.text;
  if (!shown.empty() && !shown.ends_with('\n')) out.write("\n");
  return result;
}

int generate(const GenerateOptions& options, ActionContext& context) {
  GenerateSettings settings;
  const GenerationOptions generation = generation_options(options, settings);
  const std::string prompt = read_prompt(options);
  const ModelInUse model = load_model_argument(options.model, context.log);
  check_prompt(model, prompt, context.log);
  const Engine engine(static_cast<int>(settings.threads));
  Generator generator(*model.loaded.model, engine.context(), model.loaded.weights.data());
  install_signal_handlers();
  Generation result;
  if (context.global.json) {
    result = generator.generate(model.tokenizer, prompt, generation,
                                [](std::string_view) { return stop_signal() == 0; });
    context.out.json(to_json(model, prompt, generation.sampling, result));
  } else {
    result = stream(generator, model, prompt, generation, !options.no_echo, context.out);
  }
  context.out.flush();
  context.log.info(fmt::format(
      "prompt of {} tokens: {}; text of {} tokens: {}; ended by {}", result.prompt_tokens,
      format_rate(rate(result.prompt_tokens, result.prompt_seconds), "tokens"), result.tokens,
      format_rate(rate(result.tokens, result.seconds), "tokens"), reason_name(result.reason)));
  return result.reason == StopReason::kInterrupted ? 128 + stop_signal() : 0;
}

}  // namespace

void add_generate(Program& program) {
  CLI::App* command =
      add_command(program, program.app, "generate", "Write text with a model",
                  "  cllm generate runs/demo --prompt \"One day\"\n"
                  "  cllm generate runs/demo --temperature 0 --max-tokens 50 --json\n"
                  "  cllm generate runs/demo --prompt-file start.txt --escapes --stop '\\n\\n'\n"
                  "  echo -n \"One day\" | cllm generate runs/demo --prompt -");
  auto options = std::make_shared<GenerateOptions>();
  options->model.add_to(*command);
  CLI::Option* prompt =
      command
          ->add_option("--prompt", options->prompt,
                       "beginning of the text; - reads standard input (default: none)")
          ->type_name("TEXT");
  command->add_option("--prompt-file", options->prompt_file, "file with the prompt")
      ->type_name("FILE")
      ->excludes(prompt);
  command->add_option("--stop", options->stop, "end before this text; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command->add_flag("--escapes", options->escapes,
                    "understand \\n, \\t, ... in --prompt and --stop");
  command->add_flag("--no-echo", options->no_echo, "do not show the prompt before the text");
  options->fields.add_section<GenerateSettings>(*command, "generate");
  options->fields.add_section<SamplingOptions>(*command, "sampling");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return generate(*options, context); };
  });
}

}  // namespace cllm::cli
