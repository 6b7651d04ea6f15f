// cllm plan: what a training run will need, before it is started.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/memory.h"
#include "base/units.h"
#include "cli/planned_model.h"
#include "cli/program.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "cli/step_timing.h"
#include "train/initial_model.h"
#include "train/parallel_choice.h"
#include "train/run.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

struct PlanOptions {
  SettingsOptions settings;
  bool no_timing = false;
};

// The memory of a run with this train.recompute.
struct Level {
  nn::Recompute recompute;
  std::string_view name;
  MemoryPlan memory;
};

struct Plan {
  PlannedModel planned;
  int64_t parameters = 0;
  std::vector<std::pair<std::string, int64_t>> parts;  // of the parameters
  MemoryPlan memory;
  nn::Recompute recompute = nn::Recompute::kNone;
  std::vector<Level> levels;
  int64_t available = 0;
  double flops_per_token = 0;
  int64_t tokens_per_step = 0, steps = 0;
  std::optional<StepTiming> timing;

  bool fits(const MemoryPlan& part) const { return part.total() + kOtherMemory <= available; }
};

std::string part_name(const std::string& parameter) {
  if (parameter.find("norm") != std::string::npos) return "norms";
  if (parameter.starts_with("embedding.position")) return "position embedding";
  if (parameter.starts_with("embedding.ngram")) return "n-gram memory";
  if (parameter.starts_with("embedding.")) return "token embedding";
  if (parameter.find(".attention.") != std::string::npos) return "attention";
  if (parameter.find(".mlp.") != std::string::npos) return "MLP";
  return "output head";
}

std::vector<std::pair<std::string, int64_t>> parts_of(const ParameterTable& table) {
  std::vector<std::pair<std::string, int64_t>> parts;
  for (const Parameter& parameter : table.all()) {
    const std::string name = part_name(parameter.name);
    auto part = std::find_if(parts.begin(), parts.end(),
                             [&](const auto& known) { return known.first == name; });
    if (part == parts.end()) part = parts.insert(parts.end(), {name, 0});
    part->second += parameter.count;
  }
  return parts;
}

// plan_memory() of what a run will do if parallel.mode is auto and does not fit in both ways.
MemoryPlan affordable_plan(const Transformer& model, RunSettings settings,
                           const ops::Context& context, int64_t available) {
  settings.parallel.mode = affordable_mode(model, settings, context, available);
  return plan_memory(model, settings, context);
}

void plan_levels(const Transformer& model, RunSettings settings, const ops::Context& context,
                 Plan& plan) {
  plan.available = available_memory();
  plan.recompute = settings.train.recompute;
  for (const auto& [level, name] : kRecomputeNames) {
    settings.train.recompute = level;
    plan.levels.push_back({level, name, affordable_plan(model, settings, context, plan.available)});
    if (level == plan.recompute) plan.memory = plan.levels.back().memory;
  }
}

Json levels_json(const Plan& plan) {
  Json levels = Json::array();
  for (const Level& level : plan.levels)
    levels.push_back({{"level", level.name},
                      {"activations", level.memory.activations},
                      {"total", level.memory.total()},
                      {"fits", plan.fits(level.memory)},
                      {"chosen", level.recompute == plan.recompute}});
  return levels;
}

Json to_json(const Plan& plan) {
  Json parts = Json::object();
  for (const auto& [name, count] : plan.parts)
    parts[name] = count;
  const PlannedModel& planned = plan.planned;
  Json json = {{"vocabulary_size", planned.vocabulary_size},
               {"vocabulary_origin", planned.vocabulary_origin},
               {"estimate", planned.estimate.empty() ? Json(nullptr) : Json(planned.estimate)},
               {"parameters", plan.parameters},
               {"parameters_by_part", parts},
               {"memory",
                {{"weights", plan.memory.weights},
                 {"gradients", plan.memory.gradients},
                 {"moments", plan.memory.moments},
                 {"activations", plan.memory.activations},
                 {"average", plan.memory.average},
                 {"update_scratch", plan.memory.update_scratch},
                 {"sampling", plan.memory.sampling},
                 {"prior", plan.memory.prior},
                 {"total", plan.memory.total()},
                 {"program", kOtherMemory},
                 {"available", plan.available},
                 {"fits", plan.fits(plan.memory)}}},
               {"recompute", levels_json(plan)},
               {"flops_per_token", plan.flops_per_token},
               {"tokens_per_step", plan.tokens_per_step},
               {"steps", plan.steps}};
  if (!plan.timing) {
    json["time"] = nullptr;
    return json;
  }
  const double step = plan.timing->seconds;
  json["time"] = {{"seconds_per_step", step},
                  {"tokens_per_second", static_cast<double>(plan.tokens_per_step) / step},
                  {"seconds", step * static_cast<double>(plan.steps)},
                  {"timed_batch_size", plan.timing->B},
                  {"timed_context_length", plan.timing->T}};
  return json;
}

void print_time(const Plan& plan, const RunSettings& settings, Output& out) {
  const StepTiming& timing = *plan.timing;
  out.print("\ntime per step        {} ({})\n", format_duration(timing.seconds),
            format_rate(static_cast<double>(plan.tokens_per_step) / timing.seconds, "tokens"));
  out.print("{:<20} {} of training; evaluations, samples and checkpoints come on top\n",
            fmt::format("{} steps", plan.steps),
            format_duration(timing.seconds * static_cast<double>(plan.steps)));
  if (timing.B != settings.train.batch_size || timing.T != settings.model.context_length)
    out.print("                     extrapolated from steps of {} x {} tokens\n", timing.B,
              timing.T);
}

std::string bytes(int64_t count) {
  return format_bytes(static_cast<double>(count));
}

void print_levels(const Plan& plan, Output& out) {
  out.print("\n{:<20} {:>10} {:>12}\n", "train.recompute", "activations", "planned");
  for (const Level& level : plan.levels)
    out.print("  {:<18} {:>11} {:>12}{}{}\n", level.name, bytes(level.memory.activations),
              bytes(level.memory.total()), level.recompute == plan.recompute ? "  chosen" : "",
              plan.fits(level.memory) ? "" : "  does not fit");
}

void print_text(const Plan& plan, const RunSettings& settings, Output& out) {
  const auto line = [&](const std::string& name, const std::string& value) {
    out.print("  {:<18} {:>10}\n", name, value);
  };
  out.print("vocabulary           {} ({})\n", plan.planned.vocabulary_size,
            plan.planned.vocabulary_origin);
  if (!plan.planned.estimate.empty()) out.print("estimated            {}\n", plan.planned.estimate);
  out.print("parameters           {}\n", plan.parameters);
  for (const auto& [name, count] : plan.parts)
    line(name, std::to_string(count));
  out.print("\nmemory               {} planned, {} with the program, {} available\n",
            bytes(plan.memory.total()), bytes(plan.memory.total() + kOtherMemory),
            bytes(plan.available));
  line("weights", bytes(plan.memory.weights));
  line("gradients", bytes(plan.memory.gradients));
  line("moments", bytes(plan.memory.moments));
  line("activations", bytes(plan.memory.activations));
  if (plan.memory.average > 0) line("average", bytes(plan.memory.average));
  if (plan.memory.update_scratch > 0) line("update scratch", bytes(plan.memory.update_scratch));
  if (plan.memory.sampling > 0) line("sampling", bytes(plan.memory.sampling));
  if (plan.memory.prior > 0) line("prior", bytes(plan.memory.prior));
  print_levels(plan, out);
  out.print("\ntokens per step      {} ({} x {} x {})\n", plan.tokens_per_step,
            settings.train.gradient_accumulation_steps, settings.train.batch_size,
            settings.model.context_length);
  out.print("work per token       {} floating-point operations\n",
            format_count(plan.flops_per_token));
  if (plan.timing) print_time(plan, settings, out);
}

// A run whose memory leaves no choice does not measure.
void resolve_parallel(const Transformer& model, const Engine& engine, int64_t available,
                      RunSettings& settings, Log& log) {
  using Mode = ParallelSettings::Mode;
  const bool open = settings.parallel.mode == Mode::kAuto;
  settings.parallel.mode = affordable_mode(model, settings, engine.context(), available);
  if (open && settings.parallel.mode != Mode::kAuto)
    log.info(fmt::format("parallel.mode = auto will be {}: the other way does not fit",
                         settings.parallel.mode == Mode::kBatch ? "batch" : "operation"));
}

int plan_command(const PlanOptions& options, ActionContext& context) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  options.settings.apply(settings, binder);
  settings.validate_training();
  install_signal_handlers();
  take_initial_model(settings, given_in(binder), context.log);
  Plan plan;
  plan.planned = plan_model(settings, context.log);
  const Transformer& model = *plan.planned.model;
  const Engine engine = engine_of(settings);
  context.log.info(engine.description());
  plan.parameters = model.parameters().count();
  plan.parts = parts_of(model.parameters());
  plan_levels(model, settings, engine.context(), plan);
  resolve_parallel(model, engine, plan.available, settings, context.log);
  plan.flops_per_token = model.training_flops_per_token();
  plan.steps = settings.train.steps;
  plan.tokens_per_step = settings.train.gradient_accumulation_steps * settings.train.batch_size *
                         settings.model.context_length;
  if (plan.fits(plan.memory) && !options.no_timing)
    plan.timing = time_steps(model, settings, engine);
  if (context.global.json)
    context.out.json(to_json(plan));
  else
    print_text(plan, settings, context.out);
  context.out.flush();  // the numbers come before the refusal
  require_memory(plan.memory);
  return 0;
}

}  // namespace

void add_plan(Program& program) {
  CLI::App* command = add_command(
      program, program.app, "plan", "Tell the size, memory and time of a training run",
      "  cllm plan --data stories --preset demo --steps 600\n"
      "  cllm plan --preset gpt2 --set model.vocabulary_size=50257 --batch-size 8 --no-timing");
  auto options = std::make_shared<PlanOptions>();
  options->settings.add_to(*command);
  command->add_flag("--no-timing", options->no_timing, "do not time steps of this model");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return plan_command(*options, context); };
  });
}

}  // namespace cllm::cli
