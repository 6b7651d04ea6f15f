// cllm export: a trained model with plain weights.
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/progress.h"
#include "base/units.h"
#include "cli/field_options.h"
#include "cli/model_argument.h"
#include "cli/program.h"
#include "cli/signals.h"
#include "train/compress.h"
#include "train/export.h"

namespace cllm::cli {
namespace {

struct ExportSettings {
  int64_t threads = 0;
  void list(FieldList& fields) {
    fields.add("threads", threads,
               {.help = "threads; 0 = one per core", .minimum = 0, .maximum = 1024});
  }
};

struct ExportOptions {
  ModelArgument model;
  std::string out;
  FieldOptions fields;
};

std::string check_text(const ExportCheck& check) {
  const std::string read = fmt::format("{} tokens in {} windows", check.tokens, check.windows);
  if (check.same_bits) return read + ": all logits are the same bits";
  return fmt::format(
      "{}: logits differ by {:.1e} at most; a head in one matrix rounds elsewhere, by up to {:.1e}",
      read, check.difference, check.allowed);
}

void print_text(const ExportReport& report, const std::string& out, Output& to) {
  const auto count = [](int64_t n) { return format_count(static_cast<double>(n)); };
  const auto bytes = [](int64_t n) { return format_bytes(static_cast<double>(n)); };
  to.print("model       {}\n", out);
  if (report.plain_already()) to.print("weights     plain already: written as they are\n");
  if (report.embedding != "dense")
    to.print("embedding   {} -> dense, the head {}\n", report.embedding,
             report.tied_head ? "tied to it" : "as it was, its own");
  if (report.decoded_matrices > 0)
    to.print("matrices    {} decoded to fp32\n", report.decoded_matrices);
  if (report.order_undone) to.print("vocabulary  ids and rows as they were made\n");
  to.print("parameters  {} -> {}\n", count(report.parameters_before), count(report.parameters));
  to.print("file        {} -> {}\n", bytes(report.bytes_before), bytes(report.file_bytes));
  to.print("checked     {}\n", check_text(report.check));
}

void print(const ExportReport& report, const std::string& out, ActionContext& context) {
  if (!context.global.json) return print_text(report, out, context.out);
  context.out.json({{"model", out},
                    {"plain_already", report.plain_already()},
                    {"embedding", report.embedding},
                    {"tied_head", report.tied_head},
                    {"decoded_matrices", report.decoded_matrices},
                    {"order_undone", report.order_undone},
                    {"parameters_before", report.parameters_before},
                    {"parameters", report.parameters},
                    {"bytes_before", report.bytes_before},
                    {"file_bytes", report.file_bytes},
                    {"checked_tokens", report.check.tokens},
                    {"same_bits", report.check.same_bits},
                    {"largest_difference", report.check.difference},
                    {"allowed_difference", report.check.allowed}});
}

int export_plain(const ExportOptions& options, ActionContext& context) {
  ExportSettings settings;
  SettingsBinder binder;
  binder.add_section("export", settings);
  binder.apply_environment();
  options.fields.apply(binder);
  require_no_model(options.out);
  install_signal_handlers();
  const ModelInUse model = load_model_argument(options.model, context.log);
  const Engine engine(static_cast<int>(settings.threads));
  std::string last;
  std::optional<Progress> bar;
  const ExportReport report = export_model(
      {*model.loaded.model, model.loaded.weights.data(), model.tokenizer, model.folder},
      options.out, engine, [&](std::string_view part, int64_t done, int64_t of) {
        check_interrupt();
        if (part != last) bar.reset();
        last = part;
        if (!bar) bar.emplace(context.log, last, of);
        bar->update(done);
      });
  bar.reset();
  print(report, options.out, context);
  return 0;
}

}  // namespace

void add_export(Program& program) {
  CLI::App* command = add_command(program, program.app, "export",
                                  "Write a trained model with plain weights, and check them",
                                  "  cllm export runs/demo --out demo-plain\n"
                                  "  cllm export book-3bit --out book-plain\n"
                                  "  cllm generate demo-plain --prompt \"Once upon a time\"");
  auto options = std::make_shared<ExportOptions>();
  options->model.add_to(*command);
  command
      ->add_option("--out", options->out,
                   "folder of the plain model: dense embedding, fp32 matrices, ids as they were "
                   "made")
      ->type_name("FOLDER")
      ->required();
  options->fields.add_section<ExportSettings>(*command, "export");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return export_plain(*options, context); };
  });
}

}  // namespace cllm::cli
