#include "train/export.h"

#include <nlohmann/json.hpp>
#include <set>
#include <variant>
#include <vector>

#include "base/memory.h"
#include "crystal/plain_model.h"
#include "crystal/vocabulary_order.h"
#include "formats/model_weights.h"
#include "model/model_folder.h"
#include "text/renumber.h"
#include "train/compress.h"
#include "train/manifest.h"

namespace cllm {
namespace {

std::string embedding_name(ModelConfig config) {
  FieldList fields;
  config.list(fields);
  for (const Field& field : fields.fields())
    if (field.name() == "embedding") return std::get<std::string>(field.value());
  return {};
}

void describe_source(const ExportInputs& inputs, ExportReport& report) {
  report.embedding = embedding_name(inputs.model.config());
  report.tied_head = inputs.model.config().tied_head;
  report.parameters_before = inputs.model.parameters().count();
  const ModelWeights stored = open_model_weights(inputs.folder);
  std::set<std::string> files;
  for (const auto& [name, tensor] : stored.tensors()) {
    if (name.ends_with(kCodedSuffix)) ++report.decoded_matrices;
    files.insert(tensor->file);
  }
  for (const std::string& file : files)
    report.bytes_before += static_cast<int64_t>(fs::file_size(file));
}

void write_model(const ExportInputs& inputs, const ops::Context& context, const fs::path& folder,
                 ExportReport& report) {
  PlainModel plain = plain_model(inputs.model, inputs.weights, context);
  const std::vector<Token> made = ids_to_restore(inputs.tokenizer);
  report.order_undone = !made.empty();
  if (report.order_undone) restore_token_rows(*plain.model, made, plain.weights.data());
  save_model(folder, *plain.model, plain.weights.data(),
             report.order_undone ? renumbered(inputs.tokenizer, made) : inputs.tokenizer);
  report.parameters = plain.model->parameters().count();
  report.file_bytes = static_cast<int64_t>(fs::file_size(folder / "model.safetensors"));
}

nlohmann::ordered_json report_json(const ExportReport& report) {
  return {{"version", 1},
          {"embedding", report.embedding},
          {"decoded_matrices", report.decoded_matrices},
          {"order_undone", report.order_undone},
          {"checked_tokens", report.check.tokens},
          {"same_bits", report.check.same_bits},
          {"largest_difference", report.check.difference},
          {"allowed_difference", report.check.allowed}};
}

fs::path whole_path(const fs::path& out) {
  fs::path path = fs::absolute(out).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

}  // namespace

int64_t planned_export_bytes(const Transformer& model, const ops::Context& context) {
  // The plain weights are given back before they are read again; before that there is a copy of a
  // table while its rows move, and the products of factors, both less than what the check takes.
  return planned_check_bytes(model, Transformer(plain_config(model.config())), context);
}

ExportReport export_model(const ExportInputs& inputs, const fs::path& out, const Engine& engine,
                          const ExportProgress& progress) {
  require_no_model(out);
  require_available("", "exporting this model",
                    planned_export_bytes(inputs.model, engine.context()),
                    "export it on a larger machine");
  ExportReport report;
  describe_source(inputs, report);
  AtomicFolder folder(whole_path(out));
  progress("writing", 0, 1);
  write_model(inputs, engine.context(), folder.path(), report);
  report.check = check_export(inputs.model, inputs.weights, inputs.tokenizer, folder.path(), engine,
                              [&](int64_t done, int64_t of) { progress("checking", done, of); });
  write_file(folder.path() / kExportFile, report_json(report).dump(2) + "\n");
  write_manifest(folder.path());
  folder.commit();
  return report;
}

void verify_exported(const fs::path& folder) {
  verify_manifest(folder, {"config.json", "model.safetensors", std::string(kExportFile)},
                  "export the model again");
}

}  // namespace cllm
