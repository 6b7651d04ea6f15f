// What a trained model does on a text that it reads for this purpose: the moments that its linear
// layers' inputs have there, and its loss.
#pragma once

#include <cstdint>
#include <functional>

#include "crystal/input_moments.h"
#include "data/dataset.h"
#include "model/engine.h"
#include "model/session.h"
#include "train/evaluation.h"

namespace cllm {

struct CalibrationText {
  TokenView text;  // at least 2 tokens
  // About so many of its tokens are read, in windows spread over it.
  int64_t tokens = 0;
};

struct Calibration {
  InputMoments moments;
  double loss = 0;  // nats per token
  int64_t tokens = 0;
};

// Of the session that reads the text, one window of T tokens at a time: every row is text.
nn::PlanShape calibration_shape(int64_t T);

// observed(weight parameter): whether the moments of that linear's inputs are wanted. The same bits
// for any number of threads. Error (kData) if the text has fewer than 2 tokens; an exception of
// `progress` (windows done, of all) ends the work.
Calibration calibrate(const Transformer& model, const float* weights, const CalibrationText& text,
                      const Engine& engine, const std::function<bool(int32_t)>& observed,
                      const EvaluationProgress& progress);

// The loss alone, over the same windows.
Evaluation calibration_loss(const Transformer& model, const float* weights,
                            const CalibrationText& text, const Engine& engine,
                            const EvaluationProgress& progress);

}  // namespace cllm
