// cllm compress: a trained model with its matrices as entropy-coded integers.
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
#include "train/interrupted.h"

namespace cllm::cli {
namespace {

struct CompressCommandSettings : CompressSettings {
  int64_t threads = 0;
  void list(FieldList& fields) {
    CompressSettings::list(fields);
    fields.add("threads", threads,
               {.help = "threads; 0 = one per core", .minimum = 0, .maximum = 1024});
  }
};

struct CompressOptions {
  ModelArgument model;
  std::vector<std::string> calibration;
  std::string out;
  FieldOptions fields;
};

// A bar for each part of the work, a line for each matrix.
class Display {
 public:
  Display(Log& log, const fs::path& out) : log_(log), out_(out) {}

  void update(int64_t done, int64_t of, std::string_view part, const std::string& matrix) {
    if (stop_signal() != 0) stop();
    if (part != part_) bar_.reset();
    part_ = part;
    if (!bar_) bar_.emplace(log_, std::string(part), of);
    bar_->update(done, matrix);
  }

  void finished(const CompressedPiece& piece, bool kept) {
    log_.info(fmt::format("{} [{}, {}]: {:.3f} bits per weight{}", piece.name, piece.rows,
                          piece.columns, piece.bits(), kept ? ", from before" : ""));
  }

 private:
  void stop() {
    try {
      check_interrupt();
    } catch (const Interrupted& interrupted) {
      throw Interrupted(fmt::format("{}, what is finished lies in {}", interrupted.what(),
                                    unfinished_folder(out_).string()),
                        "repeat the command to go on");
    }
  }

  Log& log_;
  fs::path out_;
  std::string part_;
  std::optional<Progress> bar_;
};

void print(const CompressReport& report, const std::string& out, ActionContext& context) {
  const double bits = 8 * static_cast<double>(report.coded_bytes) /
                      static_cast<double>(std::max<int64_t>(report.weights, 1));
  if (!context.global.json) {
    context.out.print("model            {}\n", out);
    context.out.print("weights          {} in {} matrices\n",
                      format_count(static_cast<double>(report.weights)), report.pieces.size());
    context.out.print("bits per weight  {:.4f}\n", bits);
    context.out.print("file             {}\n",
                      format_bytes(static_cast<double>(report.file_bytes)));
    return;
  }
  nlohmann::ordered_json matrices = nlohmann::ordered_json::array();
  for (const CompressedPiece& piece : report.pieces)
    matrices.push_back({{"name", piece.name},
                        {"rows", piece.rows},
                        {"columns", piece.columns},
                        {"bytes", piece.bytes}});
  context.out.json({{"model", out},
                    {"weights", report.weights},
                    {"bits_per_weight", bits},
                    {"coded_bytes", report.coded_bytes},
                    {"file_bytes", report.file_bytes},
                    {"calibration_tokens", report.calibration_tokens},
                    {"calibration_loss", report.calibration_loss},
                    {"matrices", matrices}});
}

// What would be ignored in silence.
void refuse_idle(const CLI::App& command, const CompressSettings& settings) {
  const bool k_best = settings.method == QuantiseMethod::kLllKbest;
  if (!k_best) refuse_without(command, "--method lll-kbest", {"--width"});
  if (!k_best && settings.method != QuantiseMethod::kLllBabai)
    refuse_without(command, "--method lll-babai or lll-kbest", {"--block"});
}

int compress(const CLI::App& command, const CompressOptions& options, ActionContext& context) {
  CompressCommandSettings settings;
  SettingsBinder binder;
  binder.add_section("compress", settings);
  binder.apply_environment();
  options.fields.apply(binder);
  refuse_idle(command, settings);
  const std::string out = options.out.empty()
                              ? options.model.folder_beside(fmt::format("-{}-bit", settings.bits))
                              : options.out;
  remove_finished_work(out);
  require_no_model(out);
  install_signal_handlers();
  const ModelInUse model = load_model_argument(options.model, context.log);
  const TokenDataset calibration =
      text_in_memory(options.calibration, options.model, model, context.log);
  install_impatient_signal_handlers();
  const Engine engine(static_cast<int>(settings.threads));
  context.log.info(
      fmt::format("{} planned", format_bytes(static_cast<double>(planned_compression_bytes(
                                    *model.loaded.model, engine.context())))));
  Display display(context.log, out);
  const CompressReport report =
      compress_model({*model.loaded.model, model.loaded.weights.data(), model.tokenizer,
                      TokenView(calibration, 0, calibration.size())},
                     settings, out, engine,
                     {.progress =
                          [&](const CompressProgress& now) {
                            display.update(now.done, now.total, now.part, now.matrix);
                          },
                      .finished = [&](const CompressedPiece& piece,
                                      bool kept) { display.finished(piece, kept); }});
  print(report, out, context);
  return 0;
}

}  // namespace

void add_compress(Program& program) {
  CLI::App* command = add_command(
      program, program.app, "compress", "Make a trained model small: a few bits per weight",
      "  cllm compress runs/demo --bits 3 --calibration stories\n"
      "  cllm compress runs/book --bits 2 --calibration book.txt --out book-small\n"
      "  cllm compress gpt2/ --bits 4 --method gptq --calibration notes/ --out gpt2-small\n"
      "  cllm generate runs/demo-3-bit --prompt \"Once upon a time\"");
  auto options = std::make_shared<CompressOptions>();
  options->model.add_to(*command);
  command
      ->add_option("--calibration", options->calibration,
                   "what the model reads to learn which errors matter: texts as --data of `cllm "
                   "train`; not the held-out text")
      ->type_name("PATH")
      ->required();
  command
      ->add_option("--out", options->out,
                   "folder of the compressed model (default: RUN-BITS-bit); after a stop the same "
                   "command goes on there")
      ->type_name("FOLDER");
  options->fields.add_section<CompressCommandSettings>(*command, "compress");
  command->callback([&program, command, options] {
    program.action = [command, options](ActionContext& context) {
      return compress(*command, *options, context);
    };
  });
}

}  // namespace cllm::cli
