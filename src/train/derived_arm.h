// Arms of an ablation that are not trained but made of a run that was: its model compressed or
// rounded or narrower, the counts of its text in its place or beside it, or its next token chosen
// in another way. Everything is measured on the run's own held-out text, in the windows of its
// evaluations.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <variant>

#include "crystal/quantise.h"
#include "crystal/shortlist.h"
#include "model/engine.h"
#include "runlog/run_folder.h"
#include "train/arm_figures.h"
#include "train/resize.h"
#include "train/settings.h"

namespace cllm {

// train/compress.h, calibrated on the run's training text.
struct CompressedArm {
  QuantiseMethod method = QuantiseMethod::kRtn;
  double bits = 0;
};

// Every parameter as bf16.
struct RoundedArm {};

// train/resize.h, calibrated on the run's training text.
struct ResizedArm {
  ResizeMethod method = ResizeMethod::kPca;
  int64_t width = 0;
};

// Modified Kneser-Ney fitted on the run's training text; mixed: with the run's model
// (train/mixture.h).
struct CountsArm {
  int order = 0;
  bool mixed = false;
};

// The next token chosen from all logits, or from those of a few candidates.
struct ChoiceArm {
  enum class By { kHead, kSignatures, kGcdOfIds, kFirstIds };
  By by = By::kHead;
  ShortlistOptions options;  // of the last two, only the number of candidates
};

struct DerivedArm {
  std::string source;  // name of the arm that is trained
  std::variant<RoundedArm, CompressedArm, ResizedArm, CountsArm, ChoiceArm> how;
};

// For people, and to know an arm again: "compressed by gptq, 3 bits".
std::string description(const DerivedArm& arm);

// Error (kUsage) if these settings train a model that the arm cannot be made of.
void refuse_underivable(const DerivedArm& arm, const RunSettings& settings);

// Bytes of the files that a model is stored in: its tensors, and its prior if it has one.
int64_t model_file_bytes(const fs::path& folder);

struct DerivedInputs {
  const RunFolder& run;  // finished
  int64_t step = 0;      // of its last checkpoint
  const Engine& engine;
  std::function<void()> check_stop;  // called often; an exception ends the work
};

// The figures of an arm, read from the file `place`.json, or made and stored there; a compressed
// or resized model is kept in the folder `place`. What an earlier call has finished is not made
// again. Error (kUsage, kData) if the run cannot serve, or what is stored is damaged; errors of
// compress_model and resize_model.
Figures derive(const DerivedArm& arm, const DerivedInputs& inputs, const fs::path& place);

}  // namespace cllm
