// Writes a model with plain weights, as other software reads them: token vectors as a dense table
// (crystal/plain_model.h), coded matrices decoded, and the ids of an ordered vocabulary as they
// were made, with their rows. GPT-2 and Llama shapes get those families' own names
// (model/stored_names.h).
//
// The result is a model folder with export.json, which says how it was made, and manifest.json. It
// appears whole, after its logits were compared with the model's (train/export_check.h), or not at
// all.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/file.h"
#include "train/export_check.h"

namespace cllm {

inline constexpr std::string_view kExportFile = "export.json";

struct ExportInputs {
  const Transformer& model;
  const float* weights;  // laid out by model.parameters()
  const Tokenizer& tokenizer;
  fs::path folder;  // the model's
};

struct ExportReport {
  std::string embedding;         // its kind in the model: "dense", "factorised", ...
  bool tied_head = false;        // as the model's
  int64_t decoded_matrices = 0;  // that were coded
  bool order_undone = false;     // of the vocabulary
  // Nothing had to be done but to write it.
  bool plain_already() const {
    return embedding == "dense" && decoded_matrices == 0 && !order_undone;
  }
  int64_t parameters_before = 0, parameters = 0;
  int64_t bytes_before = 0, file_bytes = 0;  // of the files of weights
  ExportCheck check;
};

// Called often with what is being done; an exception ends the work, and nothing is left of it.
using ExportProgress = std::function<void(std::string_view part, int64_t done, int64_t total)>;

// Bytes that export_model takes besides the weights that it is given. From shapes alone. Error as
// plain_config.
int64_t planned_export_bytes(const Transformer& model, const ops::Context& context);

// Writes the folder `out`. Error (kUsage) if it exists, and as plain_config; (kMemory) before
// anything is made; (kRuntime) if it cannot be written; errors of check_export. The same bytes for
// any number of threads.
ExportReport export_model(const ExportInputs& inputs, const fs::path& out, const Engine& engine,
                          const ExportProgress& progress);

// For a folder with export.json. Error (kData) that names the first damaged or missing file.
void verify_exported(const fs::path& folder);

}  // namespace cllm
