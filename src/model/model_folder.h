// A model as a Hugging Face folder: config.json, generation_config.json, model.safetensors and the
// tokenizer's files. The folder of a checkpoint, and any GPT-2 or Llama folder made by others, is
// read by the same code.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/file.h"
#include "model/transformer.h"
#include "tensor/arena.h"
#include "text/tokenizer.h"

namespace cllm {

struct LoadedModel {
  std::unique_ptr<const Transformer> model;
  Arena weights;                       // laid out by model->parameters()
  std::optional<Tokenizer> tokenizer;  // absent if the folder has none
};

// Reads config.json only.
ModelConfig load_model_config(const fs::path& folder);

// Reads the model. Error (kData) naming the file for anything missing, damaged, of another shape,
// or a tokenizer whose vocabulary is larger than the model's.
LoadedModel load_model(const fs::path& folder);

// weights = the tensors of the folder; the model's shape must be the folder's.
void load_weights(const fs::path& folder, const Transformer& model, float* weights);

// Writes config.json, generation_config.json, model.safetensors and the tokenizer into an existing
// folder. Floats are stored as F32: loading gives the same bits.
void save_model(const fs::path& folder, const Transformer& model, const float* weights,
                const Tokenizer& tokenizer);

}  // namespace cllm
