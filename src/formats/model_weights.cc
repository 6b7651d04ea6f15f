#include "formats/model_weights.h"

#include <fmt/format.h>

#include "base/error.h"
#include "formats/header_json.h"

namespace cllm {
namespace {

using nlohmann::json;

// tensor name -> shard file name
std::map<std::string, std::string> read_weight_map(const fs::path& index) {
  const std::string where = index.string();
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kData, where, what, "the file is damaged; get a fresh copy");
  };
  const json root = parse_header_json(read_file(index), where);
  if (!root.is_object() || !root.contains("weight_map") || !root["weight_map"].is_object())
    refuse("has no weight_map object");
  std::map<std::string, std::string> shards;
  for (const auto& [name, shard] : root["weight_map"].items()) {
    if (!shard.is_string())
      refuse(fmt::format("the shard of tensor {} is not a string", quote_name(name)));
    const std::string file = shard.get<std::string>();
    // A downloaded index must not make us open files elsewhere.
    if (file.empty() || file == ".." || fs::path(file).filename() != file)
      refuse(fmt::format("shard {} is not a plain file name", quote_name(file)));
    shards.emplace(name, file);
  }
  return shards;
}

}  // namespace

const StoredTensor* ModelWeights::find(std::string_view name) const {
  const auto at = tensors_.find(name);
  return at == tensors_.end() ? nullptr : at->second;
}

const StoredTensor& ModelWeights::at(std::string_view name) const {
  if (const StoredTensor* tensor = find(name)) return *tensor;
  throw Error(ErrorKind::kData, path_, fmt::format("there is no tensor {}", quote_name(name)),
              "the weights and the configuration do not belong together");
}

ModelWeights open_model_weights(const fs::path& folder) {
  ModelWeights weights;
  const fs::path single = folder / "model.safetensors";
  const fs::path index = folder / "model.safetensors.index.json";
  std::error_code unreadable;  // such a file counts as missing
  if (fs::exists(single, unreadable)) {
    weights.path_ = single.string();
    weights.files_.emplace_back(single);
    for (const StoredTensor& tensor : weights.files_.front().tensors())
      weights.tensors_.emplace(tensor.name, &tensor);
    return weights;
  }
  if (!fs::exists(index, unreadable))
    throw Error(ErrorKind::kData, folder.string(),
                "holds neither model.safetensors nor model.safetensors.index.json",
                "name a checkpoint folder, or a model folder in safetensors format");
  weights.path_ = index.string();
  const auto shards = read_weight_map(index);
  std::map<std::string, size_t> opened;
  for (const auto& [name, shard] : shards)
    if (opened.emplace(shard, weights.files_.size()).second)
      weights.files_.emplace_back(folder / shard);
  for (const auto& [name, shard] : shards) {
    const StoredTensor* tensor = weights.files_[opened.at(shard)].find(name);
    if (tensor == nullptr)
      throw Error(ErrorKind::kData, weights.path_,
                  fmt::format("tensor {} is not in {}", quote_name(name), quote_name(shard)),
                  "the shards do not belong to this index; get a fresh copy");
    weights.tensors_.emplace(name, tensor);
  }
  return weights;
}

}  // namespace cllm
