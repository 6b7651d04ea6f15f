// Makes a trained model's residual stream narrower: the norms' gains are absorbed, the stream is
// turned to the principal directions of what the layers read from it on a calibration text, and the
// last of them are cut off (crystal/absorbed_model.h, crystal/stream_basis.h). Heads and hidden
// layers stay as they are. At the model's own width nothing is lost: the stream is only turned.
//
// The result is a model folder with resize.json, which says how it was made, and manifest.json. It
// appears whole or not at all.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "base/file.h"
#include "train/calibration.h"

namespace cllm {

inline constexpr std::string_view kResizeFile = "resize.json";

enum class ResizeMethod { kPca, kSlice };
std::string_view resize_method_name(ResizeMethod method);  // "pca"

struct ResizeSettings {
  int64_t width = 0;  // 0: half the model's
  ResizeMethod method = ResizeMethod::kPca;
  int64_t calibration_tokens = 1 << 16;
  void list(FieldList& fields);
};

struct ResizedSite {
  std::string norm;  // "blocks.0.attention_norm"
  double kept = 1;   // share of the second moment of what the norm gives
};

struct ResizeReport {
  int64_t from = 0, to = 0;  // C, W
  std::string method;        // its name
  int64_t parameters_before = 0, parameters = 0;
  std::vector<ResizedSite> sites;  // in the order of the forward
  double kept = 1;                 // their mean
  int64_t calibration_tokens = 0;
  double loss_before = 0, loss = 0;  // nats per token of the calibration text
  int64_t file_bytes = 0;            // of model.safetensors
};

struct ResizeInputs {
  const Transformer& model;
  const float* weights;  // laid out by model.parameters()
  const Tokenizer& tokenizer;
  TokenView calibration;  // at least 2 tokens
};

// Called often with what is being done; an exception ends the work, and nothing is left of it.
using ResizeProgress = std::function<void(std::string_view part, int64_t done, int64_t total)>;

// The width that the settings mean. Error (kUsage) for one above the model's, or one at which a
// LayerNorm has nothing to normalise.
int64_t resized_width(const ResizeSettings& settings, const ModelConfig& config);

// Writes the folder `out`. Error (kUsage) if it exists, for the width, and for parameters that
// AbsorbedModel does not know; (kData) for activations that are not finite; (kRuntime) if it cannot
// be written. The same bytes for any number of threads.
ResizeReport resize_model(const ResizeInputs& inputs, const ResizeSettings& settings,
                          const fs::path& out, const Engine& engine,
                          const ResizeProgress& progress);

// For a folder with resize.json. Error (kData) that names the first damaged or missing file.
void verify_resized(const fs::path& folder);

}  // namespace cllm
