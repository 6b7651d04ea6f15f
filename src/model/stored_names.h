// How a model's parameters are named and laid out in model.safetensors. GPT-2 and Llama models use
// the names and layouts of Hugging Face (GPT-2 linears are [in, out]; Llama's q, k, v and gate, up
// are separate matrices); every other combination of options uses our own parameter names as they
// are.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/transformer.h"

namespace cllm {

enum class ModelFamily { kGpt2, kLlama, kCllm };

// kGpt2 or kLlama only if that family's software computes exactly this model.
ModelFamily model_family(const ModelConfig& config);

// One stored tensor: rows [first_row, first_row + rows) of a parameter, transposed on disk or not.
struct StoredPiece {
  std::string name;            // in the file
  std::vector<int64_t> shape;  // in the file
  int32_t parameter = 0;       // index in the ParameterTable
  int64_t first_row = 0;
  int64_t rows = 0;     // a vector counts as one column
  int64_t columns = 1;  // elements per row in our layout
  bool transposed = false;
};

// Every stored tensor of the model, in the order of the parameters.
std::vector<StoredPiece> stored_pieces(const Transformer& model);

// to = the elements [first, first + to.size()) of the piece of an arena, in file layout.
void copy_to_stored(const Transformer& model, const StoredPiece& piece, const float* arena,
                    int64_t first, std::span<float> to);
// The inverse, of all elements: the piece of the arena = from.
void copy_from_stored(const Transformer& model, const StoredPiece& piece, const float* from,
                      float* arena);

}  // namespace cllm
