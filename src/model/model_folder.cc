#include "model/model_folder.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "formats/model_weights.h"
#include "formats/safetensors_writer.h"
#include "model/config_json.h"
#include "model/stored_names.h"

namespace cllm {
namespace {

// The hub's own gpt2 has names without "transformer.".
const StoredTensor& find_tensor(const ModelWeights& file, const std::string& name) {
  constexpr std::string_view prefix = "transformer.";
  if (file.find(name) == nullptr && name.starts_with(prefix))
    if (const StoredTensor* tensor = file.find(name.substr(prefix.size()))) return *tensor;
  return file.at(name);
}

std::string generation_config(const Tokenizer& tokenizer) {
  const Token end = tokenizer.end_of_text();
  const nlohmann::ordered_json id =
      end < 0 ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(end);
  const nlohmann::ordered_json json = {
      {"bos_token_id", id}, {"eos_token_id", id}, {"pad_token_id", id}, {"do_sample", true},
      {"temperature", 0.8}, {"top_k", 40},        {"top_p", 0.95},      {"max_new_tokens", 256}};
  return json.dump(2) + "\n";
}

std::string coded_name(const StoredPiece& piece) {
  return piece.name + std::string(kCodedSuffix);
}

// The piece of the arena = the matrix of the record.
void load_record(const StoredTensor& record, const Transformer& model, StoredPiece piece,
                 float* weights, const MatrixDecoder& decoder) {
  const auto refuse = [&](const char* what, const char* hint) {
    throw Error(ErrorKind::kData, fmt::format("{}: {}", record.file, record.name), what, hint);
  };
  if (!decoder) refuse("is compressed", "use a command that reads compressed models");
  if (record.dtype != DType::kU8) refuse("does not hold bytes", "compress the model again");
  std::vector<float> values(static_cast<size_t>(piece.rows * piece.columns));
  decoder(record, piece.rows, piece.columns, values);
  piece.transposed = false;
  copy_from_stored(model, piece, values.data(), weights);
}

bool has_tokenizer(const fs::path& folder) {
  return fs::exists(folder / "tokenizer.json") ||
         (fs::exists(folder / "vocab.json") && fs::exists(folder / "merges.txt"));
}

}  // namespace

ModelConfig load_model_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  const nlohmann::json json = nlohmann::json::parse(read_file(path), nullptr, false);
  if (json.is_discarded())
    throw Error(ErrorKind::kData, path.string(), "is not valid JSON",
                "restore the file or use another model");
  return config_from_json(json, path.string());
}

void load_weights(const fs::path& folder, const Transformer& model, float* weights,
                  const MatrixDecoder& decoder) {
  const ModelWeights file = open_model_weights(folder);
  std::vector<float> values;
  for (const StoredPiece& piece : stored_pieces(model)) {
    if (const StoredTensor* record = file.find(coded_name(piece))) {
      load_record(*record, model, piece, weights, decoder);
      continue;
    }
    const StoredTensor& tensor = find_tensor(file, piece.name);
    require_shape(tensor, piece.shape);
    values.resize(tensor.elements);
    copy_as_float(tensor, values);
    copy_from_stored(model, piece, values.data(), weights);
  }
}

LoadedModel load_model(const fs::path& folder, const MatrixDecoder& decoder) {
  LoadedModel loaded;
  loaded.model = std::make_unique<const Transformer>(load_model_config(folder));
  loaded.weights = Arena(loaded.model->parameters().arena_floats(), "the model's weights");
  load_weights(folder, *loaded.model, loaded.weights.data(), decoder);
  if (!has_tokenizer(folder)) return loaded;
  loaded.tokenizer = Tokenizer::load(folder);
  const int64_t V = loaded.model->config().vocabulary_size;
  if (loaded.tokenizer->vocabulary_size() > V)
    throw Error(ErrorKind::kData, folder.string(),
                fmt::format("the tokenizer has {} tokens, the model {}",
                            loaded.tokenizer->vocabulary_size(), V),
                "put the tokenizer this model was trained with into the folder");
  return loaded;
}

void save_model(const fs::path& folder, const Transformer& model, const float* weights,
                const Tokenizer& tokenizer, const MatrixRecords& records) {
  const Token end = tokenizer.end_of_text();
  write_file(folder / "config.json",
             config_to_json(model.config(), {.begin = end, .end = end, .pad = end}).dump(2) + "\n");
  write_file(folder / "generation_config.json", generation_config(tokenizer));
  SafetensorsWriter writer;
  for (const StoredPiece& piece : stored_pieces(model)) {
    if (const auto record = records.find(piece.name); record != records.end()) {
      writer.add(coded_name(piece), DType::kU8, {static_cast<int64_t>(record->second.size())},
                 record->second.data());
      continue;
    }
    writer.add(piece.name, DType::kF32, piece.shape,
               [&model, weights, piece](size_t first, std::span<std::byte> to) {
                 copy_to_stored(model, piece, weights, static_cast<int64_t>(first / sizeof(float)),
                                {reinterpret_cast<float*>(to.data()), to.size() / sizeof(float)});
               });
  }
  writer.write(folder / "model.safetensors");
  tokenizer.save_folder(folder, model.config().context_length);
}

}  // namespace cllm
