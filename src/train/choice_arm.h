// The next token from a few candidates: how many of the likeliest they hold, and the time of the
// choice against that from all logits. Part of train/derived_arm.h.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "data/dataset.h"
#include "model/engine.h"
#include "model/transformer.h"
#include "train/derived_arm.h"

namespace cllm {

std::string description(const ChoiceArm& arm);

// Error (kUsage) if the head of such a model cannot be asked for single tokens, or if its
// vocabulary is known to be no larger than the candidates.
void refuse_choice(const ChoiceArm& arm, const RunSettings& settings);

struct ChoiceInputs {
  const Transformer& model;
  const float* weights;  // laid out by model.parameters()
  int64_t vocabulary = 0;
  TokenView text;  // the hidden states are spread over it; at least 1 token
  const Engine& engine;
  const std::function<void()>& check_stop;
};

// Recalls and times of 256 choices, drawn as generation draws them. A time is the median of
// rounds, in each of which the whole head is asked too. Error (kUsage) if there are no more tokens
// than candidates.
Figures measure_choice(const ChoiceArm& arm, const ChoiceInputs& inputs);

}  // namespace cllm
