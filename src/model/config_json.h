// config.json of a Hugging Face model folder, to and from a ModelConfig. GPT-2 and Llama models get
// those families' files (transformers 4 and 5 both read them); other combinations get model_type
// "cllm" with our own setting names.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "model/config.h"

namespace cllm {

// Token ids written beside the shape; -1 = none (null in the file).
struct SpecialTokens {
  int64_t begin = -1, end = -1, pad = -1;
};

nlohmann::ordered_json config_to_json(const ModelConfig& config, const SpecialTokens& special);

// Error (kData) naming `where` for a missing or mistyped key, a size out of range, another
// architecture, or an option that this engine does not compute (rope scaling, attention bias,
// another activation).
ModelConfig config_from_json(const nlohmann::json& json, const std::string& where);

}  // namespace cllm
