// train.init: a run that begins with the weights of another model, plain or compressed, instead of
// fresh ones. Optimizer, data and step count begin anew.
#pragma once

#include "base/log.h"
#include "model/transformer.h"
#include "train/settings.h"

namespace cllm {

// If settings.train.init names a model (a run, a checkpoint or a model folder): makes it the path
// of the folder, and takes from there the shape of the model, and the tokenizer unless one is
// given. Dropout stays as set, and so does a context that was set. Error (kUsage) for a setting of
// the model that differs from the default and from the model's; errors of resolve_model_folder.
void take_initial_model(RunSettings& settings, Log& log);

// weights, laid out by model.parameters(), = those of the model in settings.train.init. Error
// (kData) if it cannot be read, or its shape is another one by now.
void load_initial_weights(const RunSettings& settings, const Transformer& model, float* weights);

}  // namespace cllm
