#include "train/initial_model.h"

#include <algorithm>

#include "base/error.h"
#include "crystal/coded_matrix.h"
#include "model/model_folder.h"
#include "train/checkpoint.h"

namespace cllm {
namespace {

// What training decides, whatever the model was trained with.
bool belongs_to_training(const std::string& name) {
  return name.ends_with("dropout");
}

// Whether a setting of the user's stands against the model's: only a shorter context does not.
bool stands(const Field& field, const FieldValue& theirs) {
  return field.name() == "context_length" &&
         std::get<int64_t>(field.value()) < std::get<int64_t>(theirs);
}

// config = theirs, with what was given otherwise where it may.
void take_shape(ModelConfig& config, ModelConfig theirs, const std::string& folder,
                const GivenSettings& given) {
  FieldList ours, found;
  config.list(ours);
  theirs.list(found);
  for (size_t i = 0; i < ours.fields().size(); ++i) {
    Field& field = ours.fields()[i];
    const FieldValue value = found.fields()[i].value();
    if (belongs_to_training(field.name()) || field.value() == value) continue;
    const std::string key = "model." + field.name();
    if (!given(key)) {
      field.assign(value);
    } else if (!stands(field, value)) {
      throw Error(ErrorKind::kUsage, key,
                  fmt::format("is {}, but {} has {}", toml_literal(field.value()), folder,
                              toml_literal(value)),
                  "drop it: train.init brings the shape of the model");
    }
  }
}

}  // namespace

void take_initial_model(RunSettings& settings, const GivenSettings& given, Log& log) {
  std::string& path = settings.train.init;
  if (path.empty()) return;
  const fs::path folder = fs::absolute(resolve_model_folder(path, log));
  path = folder.string();
  take_shape(settings.model, load_model_config(folder), path, given);
  if (settings.tokenizer.path.empty()) settings.tokenizer.path = path;
}

void load_initial_weights(const RunSettings& settings, const Transformer& model, float* weights) {
  const ModelConfig config = load_model_config(settings.train.init);
  const Transformer initial(config, load_model_codes(settings.train.init, config));
  const auto& ours = model.parameters().all();
  const auto& theirs = initial.parameters().all();
  // A shorter context takes the first rows of the learned positions.
  const bool fits = std::ranges::equal(ours, theirs, [&](const Parameter& a, const Parameter& b) {
    const bool rows =
        a.shape[0] == b.shape[0] || (&a == model.position_table() && a.shape[0] < b.shape[0]);
    return a.name == b.name && rows && a.count / a.shape[0] == b.count / b.shape[0];
  });
  const bool same_codes = model.codes() == nullptr ||
                          (initial.codes() != nullptr && *initial.codes() == *model.codes());
  if (!fits || !same_codes)
    throw Error(ErrorKind::kData, settings.train.init, "is of another shape than this run's model",
                "give the model that the run was started from");
  Arena values(initial.parameters().arena_floats(), "the initial weights");
  load_weights(settings.train.init, initial, values.data(), coded_matrix_decoder());
  for (size_t i = 0; i < ours.size(); ++i)
    std::copy_n(values.data() + theirs[i].offset, ours[i].count, weights + ours[i].offset);
}

}  // namespace cllm
