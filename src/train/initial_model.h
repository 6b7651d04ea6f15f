// train.init: a run that begins with the weights of another model, plain or compressed, instead of
// fresh ones. Optimizer, data and step count begin anew.
#pragma once

#include <functional>
#include <string>

#include "base/log.h"
#include "model/transformer.h"
#include "train/settings.h"

namespace cllm {

// Whether somebody set the setting of this key ("model.width"), be it at its default.
using GivenSettings = std::function<bool(const std::string& key)>;

// If settings.train.init names a model (a run, a checkpoint or a model folder): makes it the path
// of the folder, and takes from there the shape of the model, and the tokenizer unless one is
// given. Dropout stays as it is, and so does a shorter context that was given. Error (kUsage) for
// another setting of the model that was given and is not the model's; errors of
// resolve_model_folder. To be called before start_run().
void take_initial_model(RunSettings& settings, const GivenSettings& given, Log& log);

// weights, laid out by model.parameters(), = those of the model in settings.train.init. Error
// (kData) if it cannot be read, or its shape is another one by now.
void load_initial_weights(const RunSettings& settings, const Transformer& model, float* weights);

}  // namespace cllm
