// The argument RUN of the commands that use a trained model.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/log.h"
#include "model/model_folder.h"

namespace cllm::cli {

// The RUN positional and --tokenizer.
struct ModelArgument {
  std::string run;
  std::string tokenizer;

  void add_to(CLI::App& command);

  // The default folder of what is made of the model, beside RUN: "runs/demo" -> "runs/demo-3-bit".
  std::string folder_beside(const std::string& suffix) const;
};

struct ModelInUse {
  fs::path folder;  // that the model was read from
  LoadedModel loaded;
  Tokenizer tokenizer;
};

// Reads the model: the best checkpoint of a run, a checkpoint, or any GPT-2 or Llama folder. Error
// (kUsage) if there is no tokenizer, neither in the folder nor given; (kData) if it does not fit.
ModelInUse load_model_argument(const ModelArgument& argument, Log& log);

}  // namespace cllm::cli
