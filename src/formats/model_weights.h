// The weights of a Hugging Face model folder: model.safetensors, or model.safetensors.index.json
// with the shards it names, looked up as if they were one file.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "formats/safetensors.h"

namespace cllm {

// Owns the open files. Movable; tensors stay valid across a move. Reading is thread-safe.
class ModelWeights {
 public:
  // nullptr if there is no such tensor.
  const StoredTensor* find(std::string_view name) const;
  // Error (kData) that names the file and the tensor if there is none.
  const StoredTensor& at(std::string_view name) const;
  // Every tensor by name.
  const std::map<std::string, const StoredTensor*, std::less<>>& tensors() const {
    return tensors_;
  }
  // The file that lists the tensors, for error messages.
  const std::string& path() const { return path_; }

 private:
  friend ModelWeights open_model_weights(const fs::path& folder);

  std::string path_;
  std::vector<SafetensorsFile> files_;
  std::map<std::string, const StoredTensor*, std::less<>> tensors_;
};

// Opens and validates every file. Error (kData) if neither file exists, a file is invalid, a shard
// is missing or outside the folder, or a tensor is not in the shard the index names.
// model.safetensors wins if both exist.
ModelWeights open_model_weights(const fs::path& folder);

}  // namespace cllm
