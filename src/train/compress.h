// Compresses a trained model: every matrix, embeddings and head included, becomes a record of
// entropy-coded integers (crystal/coded_matrix.h), quantised against what its layer multiplies when
// the model reads a calibration text. Norms and biases stay as they are.
//
// The result is a model folder with compression.json, which says how it was made, and
// manifest.json. While it is made, finished matrices lie in OUT.unfinished/, and the same call goes
// on from there to the same bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "base/file.h"
#include "crystal/quantise.h"
#include "data/dataset.h"
#include "model/engine.h"
#include "model/model_folder.h"

namespace cllm {

inline constexpr std::string_view kCompressionFile = "compression.json";

struct CompressSettings {
  double bits = 3;  // entropy per weight of the integers
  QuantiseMethod method = QuantiseMethod::kLllKbest;
  int64_t calibration_tokens = 1 << 16;
  int64_t block = 64;  // columns per lattice
  int64_t width = 64;  // K of lll-kbest
  int64_t seed = 0;    // of the rotations
  void list(FieldList& fields);
};

struct CompressedPiece {
  std::string name;
  int64_t rows = 0, columns = 0;
  int64_t bytes = 0;  // of its record
  double bits() const {
    return 8 * static_cast<double>(bytes) / static_cast<double>(rows * columns);
  }
};

struct CompressReport {
  std::vector<CompressedPiece> pieces;
  int64_t weights = 0;          // in coded matrices
  int64_t coded_bytes = 0;      // of their records
  int64_t file_bytes = 0;       // of model.safetensors
  double calibration_loss = 0;  // nats per token of the model before compression
  int64_t calibration_tokens = 0;
};

struct CompressInputs {
  const Transformer& model;
  const float* weights;  // laid out by model.parameters()
  const Tokenizer& tokenizer;
  TokenView calibration;  // at least 2 tokens
};

struct CompressProgress {
  std::string part;             // "calibrating", then "compressing"
  std::string matrix;           // that is being worked on, or ""
  int64_t done = 0, total = 0;  // windows of text, then weights
};

struct CompressControls {
  // Called often; an exception ends the work, which can be continued.
  std::function<void(const CompressProgress&)> progress;
  // Called with every matrix; `kept`: an earlier call had finished it.
  std::function<void(const CompressedPiece&, bool kept)> finished;
};

// Bytes that compress_model takes besides the weights that it is given and the records that it
// makes: the moments of all inputs, and with them either the session that reads the text or the
// work on the largest matrix. From shapes alone.
int64_t planned_compression_bytes(const Transformer& model, const ops::Context& context);

// Error (kUsage) if there is something at `out` already.
void require_no_model(const fs::path& out);

// What a call that was killed after it had put `out` in place left of its records: removes
// OUT.unfinished/ if compression.json says that it was what `out` was made of. Error (kRuntime) if
// another process works there.
void remove_finished_work(const fs::path& out);

// Writes the folder `out`. Error (kUsage) if it exists, or if OUT.unfinished/ belongs to another
// model, text, settings or instruction set; (kRuntime) if something cannot be written, or another
// process works on it; errors of the quantiser name the matrix. The same bytes for any number of
// threads.
CompressReport compress_model(const CompressInputs& inputs, const CompressSettings& settings,
                              const fs::path& out, const Engine& engine,
                              const CompressControls& controls);

// OUT.unfinished/.
fs::path unfinished_folder(const fs::path& out);

// For a folder with compression.json. Error (kData) that names the first damaged or missing file.
void verify_compressed(const fs::path& folder);

}  // namespace cllm
