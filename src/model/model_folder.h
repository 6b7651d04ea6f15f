// A model as a Hugging Face folder: config.json, generation_config.json, model.safetensors and the
// tokenizer's files. The folder of a checkpoint, and any GPT-2 or Llama folder made by others, is
// read by the same code.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/safetensors.h"
#include "model/transformer.h"
#include "tensor/arena.h"
#include "text/tokenizer.h"

namespace cllm {

struct LoadedModel {
  std::unique_ptr<const Transformer> model;
  Arena weights;                       // laid out by model->parameters()
  std::optional<Tokenizer> tokenizer;  // absent if the folder has none
};

// A matrix may be stored as a record of bytes that a layer above understands: a U8 tensor under the
// matrix's name with this suffix.
inline constexpr std::string_view kCodedSuffix = ".crystal";
// values [rows, columns] = the matrix of the record, outputs by inputs whatever the layout of plain
// tensors. Error (kData) for one that is damaged or of another shape.
using MatrixDecoder = std::function<void(const StoredTensor& record, int64_t rows, int64_t columns,
                                         std::span<float> values)>;
// Records by the name of the stored matrix.
using MatrixRecords = std::map<std::string, std::vector<uint8_t>>;

// Reads config.json only.
ModelConfig load_model_config(const fs::path& folder);

// The codes of a composite embedding in the folder of a model of this configuration; null for the
// other kinds. Error (kData) for codes that are missing, damaged or of another shape.
std::shared_ptr<const nn::CodeTable> load_model_codes(const fs::path& folder,
                                                      const ModelConfig& config);

// Reads the model. Error (kData) naming the file for anything missing, damaged, of another shape,
// or a tokenizer whose vocabulary is larger than the model's; without a decoder also for records,
// without a reader for a prior.
LoadedModel load_model(const fs::path& folder, const MatrixDecoder& decoder = {},
                       const PriorReader& read_prior = {});

// weights = the tensors of the folder; the model's shape and codes must be the folder's.
void load_weights(const fs::path& folder, const Transformer& model, float* weights,
                  const MatrixDecoder& decoder = {});

// Writes config.json, generation_config.json, model.safetensors and the tokenizer into an existing
// folder, and the model's prior if it has one. Floats are stored as F32: loading gives the same
// bits. Matrices with a record are stored as that instead.
void save_model(const fs::path& folder, const Transformer& model, const float* weights,
                const Tokenizer& tokenizer, const MatrixRecords& records = {});

}  // namespace cllm
