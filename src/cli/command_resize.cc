// cllm resize: a trained model with a narrower residual stream.
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/progress.h"
#include "base/units.h"
#include "cli/field_options.h"
#include "cli/model_text.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "train/compress.h"
#include "train/resize.h"

namespace cllm::cli {
namespace {

struct ResizeCommandSettings : ResizeSettings {
  int64_t threads = 0;
  void list(FieldList& fields) {
    ResizeSettings::list(fields);
    fields.add("threads", threads,
               {.help = "threads; 0 = one per core", .minimum = 0, .maximum = 1024});
  }
};

struct ResizeOptions {
  ModelArgument model;
  std::vector<std::string> calibration;
  std::string out;
  FieldOptions fields;
};

// Tokens that stay while the object does.
class CalibrationSource {
 public:
  CalibrationSource(const ResizeOptions& options, const ModelInUse& model, Log& log) {
    if (options.calibration.empty())
      own_.emplace(own_corpus(options.model, model, "training text to calibrate on",
                              "give a text with --calibration PATH"));
    else
      given_.emplace(text_in_memory(options.calibration, options.model, model, log));
  }
  TokenView view() const { return own_ ? own_->train : given_->all(); }

 private:
  std::optional<Corpus> own_;
  std::optional<TokenDataset> given_;
};

std::string change(double before, double after) {
  return fmt::format("{:.4f} -> {:.4f}", before, after);
}

void print(const ResizeReport& report, const std::string& out, ActionContext& context) {
  if (!context.global.json) {
    const auto least = std::ranges::min_element(report.sites, {}, &ResizedSite::kept);
    const auto count = [](int64_t n) { return format_count(static_cast<double>(n)); };
    context.out.print("model             {}\n", out);
    context.out.print("width             {} -> {} ({})\n", report.from, report.to, report.method);
    context.out.print("parameters        {} -> {}\n", count(report.parameters_before),
                      count(report.parameters));
    context.out.print("kept of the norms {:.2f} % (least {:.2f} %, {})\n", 100 * report.kept,
                      100 * least->kept, least->norm);
    context.out.print("calibration loss  {}\n", change(report.loss_before, report.loss));
    context.out.print("file              {}\n",
                      format_bytes(static_cast<double>(report.file_bytes)));
    return;
  }
  nlohmann::ordered_json sites = nlohmann::ordered_json::array();
  for (const ResizedSite& site : report.sites)
    sites.push_back({{"norm", site.norm}, {"kept", site.kept}});
  context.out.json({{"model", out},
                    {"from", report.from},
                    {"to", report.to},
                    {"method", report.method},
                    {"parameters_before", report.parameters_before},
                    {"parameters", report.parameters},
                    {"kept", report.kept},
                    {"sites", sites},
                    {"calibration_tokens", report.calibration_tokens},
                    {"calibration_loss_before", report.loss_before},
                    {"calibration_loss", report.loss},
                    {"file_bytes", report.file_bytes}});
}

int resize(const ResizeOptions& options, ActionContext& context) {
  ResizeCommandSettings settings;
  SettingsBinder binder;
  binder.add_section("resize", settings);
  binder.apply_environment();
  options.fields.apply(binder);
  if (!options.out.empty()) require_no_model(options.out);
  install_signal_handlers();
  const ModelInUse model = load_model_argument(options.model, context.log);
  const ModelConfig& config = model.loaded.model->config();
  const int64_t width = resized_width(settings, config);
  const std::string out = options.out.empty()
                              ? options.model.folder_beside(fmt::format("-width-{}", width))
                              : options.out;
  require_no_model(out);
  if (width == config.width)
    context.log.warn(
        fmt::format("{} is the model's own width: the stream is only turned, and the model "
                    "computes what it did",
                    width));
  const CalibrationSource calibration(options, model, context.log);
  const Engine engine(static_cast<int>(settings.threads));
  std::string last;
  std::optional<Progress> bar;
  const ResizeReport report = resize_model(
      {*model.loaded.model, model.loaded.weights.data(), model.tokenizer, calibration.view()},
      settings, out, engine, [&](std::string_view part, int64_t done, int64_t of) {
        check_interrupt();
        if (part != last) bar.reset();
        last = part;
        if (!bar) bar.emplace(context.log, last, of);
        bar->update(done);
      });
  bar.reset();
  print(report, out, context);
  return 0;
}

}  // namespace

void add_resize(Program& program) {
  CLI::App* command = add_command(
      program, program.app, "resize", "Make a trained model narrower: half the width, or any",
      "  cllm resize runs/demo\n"
      "  cllm resize runs/book --width 64 --out book-64\n"
      "  cllm resize gpt2/ --width 512 --calibration notes/ --out gpt2-512\n"
      "  cllm train --init book-64 --data book.txt --out runs/book-64");
  auto options = std::make_shared<ResizeOptions>();
  options->model.add_to(*command);
  command
      ->add_option("--calibration", options->calibration,
                   "what the model reads to learn which directions matter: texts as --data of "
                   "`cllm train`; not the held-out text (default: the run's own training text)")
      ->type_name("PATH");
  command
      ->add_option("--out", options->out, "folder of the narrower model (default: RUN-width-WIDTH)")
      ->type_name("FOLDER");
  options->fields.add_section<ResizeCommandSettings>(*command, "resize");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return resize(*options, context); };
  });
}

}  // namespace cllm::cli
