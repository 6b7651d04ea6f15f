#include "model/model_folder.h"

#include <cstring>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/error.h"
#include "formats/model_weights.h"
#include "formats/safetensors_writer.h"
#include "model/config_json.h"
#include "model/stored_names.h"
#include "ops/lattice_table.h"

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

// Codes lie beside the weights, as what numpy and PyTorch call int32.
constexpr const char* kOffsetsName = "embedding.codes.offsets";
constexpr const char* kPiecesName = "embedding.codes.pieces";

std::vector<int32_t> read_integers(const ModelWeights& file, const char* name) {
  const StoredTensor& tensor = file.at(name);
  if (tensor.dtype != DType::kI32 || tensor.shape.size() != 1)
    throw Error(ErrorKind::kData, fmt::format("{}: {}", tensor.file, name),
                "is not a list of 32-bit integers", "restore the file or use another model");
  std::vector<int32_t> values(tensor.elements);
  if (!values.empty()) std::memcpy(values.data(), tensor.data, tensor.bytes);
  return values;
}

std::shared_ptr<const nn::CodeTable> read_codes(const ModelWeights& file,
                                                const ModelConfig& config) {
  if (config.embedding != nn::EmbeddingKind::kComposite) return nullptr;
  std::vector<int32_t> offsets = read_integers(file, kOffsetsName);
  std::vector<int32_t> pieces = read_integers(file, kPiecesName);
  std::string wrong = nn::CodeTable::fault(config.code_rows(), offsets, pieces);
  if (wrong.empty() && std::ssize(offsets) != config.vocabulary_size + 1)
    wrong = fmt::format("codes of {} tokens, the model has {}", offsets.size() - 1,
                        config.vocabulary_size);
  if (!wrong.empty())
    throw Error(ErrorKind::kData, fmt::format("{}: {}", file.path(), kPiecesName), wrong,
                "restore the file or use another model");
  return std::make_shared<const nn::CodeTable>(config.code_rows(), std::move(offsets),
                                               std::move(pieces));
}

void add_codes(const nn::CodeTable& codes, SafetensorsWriter& writer) {
  const auto add = [&](const char* name, std::span<const int32_t> values) {
    writer.add(name, DType::kI32, {std::ssize(values)}, values.data());
  };
  add(kOffsetsName, codes.offsets());
  add(kPiecesName, codes.pieces());
}

std::shared_ptr<const LogitPrior> load_prior(const fs::path& folder, const ModelConfig& config,
                                             const PriorReader& read_prior) {
  if (config.prior_order == 0) return nullptr;
  if (!read_prior)
    throw Error(ErrorKind::kData, folder.string(), "the model adds to a prior",
                "use a command that reads models with a prior");
  return read_prior(folder, config);
}

// The doubled coordinates of a lattice embedding lie beside its table. They are made and checked on
// the calling thread, since nothing else here has threads: 0.2 to 0.4 s for 50,257 x 768 numbers
// with AVX2 or AVX-512, 0.13 s with four threads on the same busy machine.
constexpr const char* kLatticeName = "embedding.token.lattice";

std::vector<int8_t> lattice_integers_of(const Transformer& model, const float* weights) {
  if (model.config().embedding != nn::EmbeddingKind::kLattice) return {};
  const Parameter& table = model.token_table();
  std::vector<int8_t> doubled(static_cast<size_t>(table.count));
  ThreadPool pool(1);
  ops::lattice_integers({pool, kernels::chosen_table()}, table.shape[0], table.shape[1],
                        static_cast<float>(model.config().lattice_step()), weights + table.offset,
                        doubled.data());
  return doubled;
}

void check_lattice(const ModelWeights& file, const Transformer& model, const float* weights) {
  const StoredTensor* stored = file.find(kLatticeName);
  const std::vector<int8_t> doubled = lattice_integers_of(model, weights);
  if (doubled.empty()) return;
  if (stored == nullptr)
    throw Error(ErrorKind::kData, file.path(), fmt::format("has no {}", kLatticeName),
                "restore the file or use another model");
  if (stored->dtype != DType::kI8 || stored->bytes != doubled.size() ||
      std::memcmp(stored->data, doubled.data(), doubled.size()) != 0)
    throw Error(ErrorKind::kData, fmt::format("{}: {}", stored->file, kLatticeName),
                "holds other integers than the table rounds to",
                "restore the file or use another model");
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

std::shared_ptr<const nn::CodeTable> load_model_codes(const fs::path& folder,
                                                      const ModelConfig& config) {
  if (config.embedding != nn::EmbeddingKind::kComposite) return nullptr;
  return read_codes(open_model_weights(folder), config);
}

void load_weights(const fs::path& folder, const Transformer& model, float* weights,
                  const MatrixDecoder& decoder) {
  const ModelWeights file = open_model_weights(folder);
  if (const auto codes = read_codes(file, model.config()); codes && *codes != *model.codes())
    throw Error(ErrorKind::kData, folder.string(), "has other codes of tokens than this model",
                "use the model that the run was started from");
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
  check_lattice(file, model, weights);
}

LoadedModel load_model(const fs::path& folder, const MatrixDecoder& decoder,
                       const PriorReader& read_prior) {
  LoadedModel loaded;
  const ModelConfig config = load_model_config(folder);
  loaded.model = std::make_unique<const Transformer>(config, load_model_codes(folder, config),
                                                     load_prior(folder, config, read_prior));
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
  if (model.codes() != nullptr) add_codes(*model.codes(), writer);
  const std::vector<int8_t> doubled = lattice_integers_of(model, weights);
  if (!doubled.empty())
    writer.add(kLatticeName, DType::kI8, model.token_table().shape, doubled.data());
  writer.write(folder / "model.safetensors");
  tokenizer.save_folder(folder, model.config().context_length);
  if (model.prior() != nullptr) model.prior()->save(folder);
}

}  // namespace cllm
