// cllm generate: text from a model, shown as it comes.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/units.h"
#include "cli/field_options.h"
#include "cli/input.h"
#include "cli/model_argument.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "crystal/shortlist.h"
#include "model/engine.h"
#include "model/generator.h"

namespace cllm::cli {
namespace {

struct GenerateSettings {
  int64_t max_tokens = 256;
  int64_t threads = 0;
  ops::WeightType weights = ops::WeightType::kFp32;
  int64_t batch = 8;
  int64_t shortlist = 0;
  int64_t shortlist_bits = ShortlistOptions().bits;
  int64_t shortlist_query_bits = ShortlistOptions().query_bits;
  ShortlistOptions shortlist_options() const {
    return {.candidates = shortlist, .bits = shortlist_bits, .query_bits = shortlist_query_bits};
  }
  void list(FieldList& fields) {
    fields.add("max_tokens", max_tokens, {.help = "longest text", .unit = "tokens", .minimum = 1});
    fields.add("threads", threads,
               {.help = "threads; 0 = one per core", .minimum = 0, .maximum = 1024});
    fields.add("weights", weights, kWeightNames,
               {.help = "how matrices are stored: fp32 is exact, bf16 and int8 are faster"});
    fields.add("batch", batch,
               {.help = "prompts decoded together; each takes a cache",
                .minimum = 1,
                .maximum = Generator::kMostSequences});
    fields.add("shortlist", shortlist,
               {.help = "compute the logits of only so many tokens, chosen by signatures of the "
                        "head; greedy and top-k sampling only; 0 = of all, exact",
                .unit = "tokens",
                .minimum = 0});
    fields.add(
        "shortlist_bits", shortlist_bits,
        {.help = "of a token's signature; a multiple of 64", .minimum = 64, .maximum = 4096});
    fields.add(
        "shortlist_query_bits", shortlist_query_bits,
        {.help = "of each number that signatures are compared with", .minimum = 1, .maximum = 8});
  }
};

struct GenerateOptions {
  ModelArgument model;
  std::string prompt, prompt_file, prompts;
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

// Where the prompts come from, for messages.
std::string source_of(const GenerateOptions& options) {
  if (options.prompts.empty()) return "prompt";
  return options.prompts == "-" ? "standard input" : options.prompts;
}

// One, or the lines of the file of prompts.
std::vector<std::string> read_prompts(const GenerateOptions& options) {
  if (options.prompts.empty()) return {read_prompt(options)};
  const std::string source = source_of(options);
  std::vector<std::string> prompts;
  std::istringstream lines(read_text(options.prompts));
  for (std::string line; std::getline(lines, line);) {
    if (line.ends_with('\r')) line.pop_back();
    if (options.escapes) line = unescaped(line, fmt::format("{}:{}", source, prompts.size() + 1));
    prompts.push_back(line);
  }
  if (prompts.empty())
    throw Error(ErrorKind::kData, source, "no prompt in it", "write one per line");
  return prompts;
}

// What would be ignored in silence.
void refuse_idle(const CLI::App& command, const GenerateOptions& options,
                 const GenerateSettings& settings) {
  if (settings.shortlist == 0)
    refuse_without(command, "--shortlist N", {"--shortlist-bits", "--shortlist-query-bits"});
  if (options.prompts.empty()) refuse_without(command, "--prompts FILE", {"--batch"});
  const bool typed = command.get_option("--prompt")->count() > 0 && options.prompt != "-";
  if (!typed && options.prompts.empty() && options.stop.empty())
    refuse_without(command, "--prompt TEXT, --prompts FILE or --stop TEXT", {"--escapes"});
}

GenerationOptions generation_options(const CLI::App& command, const GenerateOptions& options,
                                     GenerateSettings& settings) {
  GenerationOptions generation;
  SettingsBinder binder;
  binder.add_section("generate", settings);
  binder.add_section("sampling", generation.sampling);
  binder.apply_environment();
  options.fields.apply(binder);
  refuse_idle(command, options, settings);
  generation.max_tokens = settings.max_tokens;
  if (settings.shortlist > 0) {
    settings.shortlist_options().validate();
    generation.sampling.require_candidates(settings.shortlist);
  }
  for (const std::string& stop : options.stop)
    generation.stop.push_back(options.escapes ? unescaped(stop, "--stop") : stop);
  return generation;
}

// Refuses a prompt that the tokenizer cannot take before anything is shown.
void check_prompts(const ModelInUse& model, const GenerateOptions& options,
                   const std::vector<std::string>& prompts, Log& log) {
  const int64_t context = model.loaded.model->config().context_length;
  int64_t most = 0, longer = 0;
  TextPlace place{.name = source_of(options)};
  for (const std::string& prompt : prompts) {
    std::vector<Token> tokens;
    model.tokenizer.encode_with_special_tokens(prompt, tokens, place);
    ++place.line;
    most = std::max(most, static_cast<int64_t>(tokens.size()));
    if (std::ssize(tokens) > context) ++longer;
  }
  if (longer > 0 && prompts.size() == 1)
    log.warn(
        fmt::format("the prompt has {} tokens: the model sees only the last {}", most, context));
  else if (longer > 0)
    log.warn(
        fmt::format("{} of {} prompts have more than {} tokens, up to {}: the model sees only "
                    "the last {} of each",
                    longer, prompts.size(), context, most, context));
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

bool never_begun(const Generation& result) {
  return result.reason == StopReason::kInterrupted && result.tokens == 0;
}

bool not_stopped(size_t, std::string_view) {
  return stop_signal() == 0;
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

// Whole texts in the order of their prompts, with an empty line between.
std::vector<Generation> stream_whole(Generator& generator, const ModelInUse& model,
                                     const std::vector<std::string>& prompts,
                                     const GenerationOptions& generation, bool echo, Output& out) {
  size_t shown = 0;
  const auto show = [&](std::span<const Generation> finished) {
    for (; shown < finished.size(); ++shown) {
      if (never_begun(finished[shown])) continue;
      const std::string text = (echo ? prompts[shown] : "") + finished[shown].text;
      out.write((shown > 0 ? "\n" : "") + text + (text.ends_with('\n') ? "" : "\n"));
    }
    out.flush();
  };
  return generator.generate(model.tokenizer, prompts, generation, not_stopped, show);
}

// One object, or an array of them for a file of prompts.
std::vector<Generation> show_json(Generator& generator, const ModelInUse& model,
                                  const std::vector<std::string>& prompts,
                                  const GenerationOptions& generation, bool array, Output& out) {
  std::vector<Generation> results =
      generator.generate(model.tokenizer, prompts, generation, not_stopped);
  nlohmann::ordered_json objects = nlohmann::ordered_json::array();
  for (size_t i = 0; i < prompts.size(); ++i)
    objects.push_back(to_json(model, prompts[i], generation.sampling, results[i]));
  out.json(array ? objects : objects.front());
  return results;
}

// The texts' last words on standard error.
void log_result(const std::vector<Generation>& results, double seconds, Log& log) {
  const Generation& first = results.front();
  if (results.size() == 1)
    return log.info(fmt::format(
        "prompt of {} tokens: {}; text of {} tokens: {}; ended by {}", first.prompt_tokens,
        format_rate(rate(first.prompt_tokens, first.prompt_seconds), "tokens"), first.tokens,
        format_rate(rate(first.tokens, first.seconds), "tokens"), reason_name(first.reason)));
  int64_t tokens = 0;
  for (const Generation& result : results)
    tokens += result.tokens;
  const auto begun = std::ssize(results) - std::ranges::count_if(results, never_begun);
  log.info(fmt::format("{} of {} prompts, texts of {} tokens: {}, prompts included", begun,
                       results.size(), tokens, format_rate(rate(tokens, seconds), "tokens")));
}

Generator make_generator(ModelInUse& model, const Engine& engine, const GenerateSettings& settings,
                         size_t prompts) {
  const auto batch = std::min(settings.batch, static_cast<int64_t>(prompts));
  const Transformer& shape = *model.loaded.model;
  const int64_t vocabulary = model.tokenizer.vocabulary_size();
  const int64_t needed =
      DecodeWeights::plan_bytes(shape, settings.weights) +
      Generator::plan_bytes(shape, engine.context(), settings.weights, batch) +
      (settings.shortlist > 0 ? Shortlist::plan_bytes(vocabulary, settings.shortlist_options())
                              : 0);
  require_available("", "writing", needed,
                    batch > 1 ? "give a smaller --batch" : "choose a smaller type with --weights");
  return {*model.loaded.model, engine.context(),
          DecodeWeights(*model.loaded.model, engine.context(), settings.weights,
                        std::move(model.loaded.weights)),
          batch};
}

void add_shortlist(const ModelInUse& model, const Engine& engine, const GenerateSettings& settings,
                   Generator& generator, Log& log) {
  if (settings.shortlist == 0) return;
  const Transformer& shape = *model.loaded.model;
  require_shortlist_model(shape, "--shortlist", "leave it out");
  const ops::DecodeMatrix& head =
      generator.weights().matrix(shape.parameters().at(shape.head().linear().weight_parameter()));
  const double start = steady_seconds();
  auto shortlist = std::make_unique<Shortlist>(
      engine.context(), head, model.tokenizer.vocabulary_size(), settings.shortlist_options());
  log.info(fmt::format("signatures of {} tokens, {} bits each: {}",
                       model.tokenizer.vocabulary_size(), settings.shortlist_bits,
                       format_duration(steady_seconds() - start)));
  generator.select_candidates(std::move(shortlist));
}

int generate(const CLI::App& command, const GenerateOptions& options, ActionContext& context) {
  GenerateSettings settings;
  const GenerationOptions generation = generation_options(command, options, settings);
  const std::vector<std::string> prompts = read_prompts(options);
  ModelInUse model = load_model_argument(options.model, context.log);
  check_prompts(model, options, prompts, context.log);
  const Engine engine(static_cast<int>(settings.threads));
  Generator generator = make_generator(model, engine, settings, prompts.size());
  add_shortlist(model, engine, settings, generator, context.log);
  install_signal_handlers();
  const bool echo = !options.no_echo, several = !options.prompts.empty();
  std::vector<Generation> results;
  const double start = steady_seconds();
  if (context.global.json)
    results = show_json(generator, model, prompts, generation, several, context.out);
  else if (several)
    results = stream_whole(generator, model, prompts, generation, echo, context.out);
  else
    results = {stream(generator, model, prompts.front(), generation, echo, context.out)};
  context.out.flush();
  log_result(results, steady_seconds() - start, context.log);
  const bool interrupted = std::ranges::any_of(
      results, [](const Generation& one) { return one.reason == StopReason::kInterrupted; });
  return interrupted ? 128 + stop_signal() : 0;
}

}  // namespace

void add_generate(Program& program) {
  CLI::App* command =
      add_command(program, program.app, "generate", "Write text with a model",
                  "  cllm generate runs/demo --prompt \"One day\"\n"
                  "  cllm generate runs/demo --temperature 0 --max-tokens 50 --json\n"
                  "  cllm generate runs/demo --prompts prompts.txt --weights int8 --json\n"
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
  command
      ->add_option(
          "--prompts", options->prompts,
          "file with one prompt per line, decoded together; an empty line is an empty prompt; "
          "- reads standard input")
      ->type_name("FILE")
      ->excludes(prompt)
      ->excludes("--prompt-file");
  command->add_option("--stop", options->stop, "end before this text; may be given several times")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  command->add_flag("--escapes", options->escapes,
                    "understand \\n, \\t, ... in --prompt, --prompts and --stop");
  command->add_flag("--no-echo", options->no_echo, "do not show the prompt before the text");
  options->fields.add_section<GenerateSettings>(*command, "generate");
  options->fields.add_section<SamplingOptions>(*command, "sampling");
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return generate(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
