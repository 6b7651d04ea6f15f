// What an export proves before it is there: the folder is read again, and has the tokens and the
// logits of the model it came from.
#pragma once

#include <cstdint>
#include <functional>

#include "base/file.h"
#include "model/engine.h"
#include "model/transformer.h"
#include "text/tokenizer.h"

namespace cllm {

struct ExportCheck {
  int64_t windows = 0, tokens = 0;  // compared, with all their logits
  bool same_bits = true;
  // The largest of a logit, and the largest that rounding may make (crystal/plain_model.h); 0 where
  // only the same bits pass.
  double difference = 0, allowed = 0;
};

// Bytes that check_export takes. From shapes alone; `plain`: of the exported model's shape.
int64_t planned_check_bytes(const Transformer& model, const Transformer& plain,
                            const ops::Context& context);

// Compares logits on windows of plain_window() tokens, filled with those of the vocabulary in a
// shuffled order: all of them, or some 4096. Then all parameters, bit for bit: those that an export
// copies, and the table of token vectors, made once more. Ids that differ are matched by the
// bytes they stand for. Error (kRuntime), naming what differs, also of the tokens of a text;
// (kData) for logits of `model` that are not finite, and as load_model. progress(windows done, of
// all): an exception from it ends the work.
ExportCheck check_export(const Transformer& model, const float* weights, const Tokenizer& tokenizer,
                         const fs::path& folder, const Engine& engine,
                         const std::function<void(int64_t, int64_t)>& progress);

}  // namespace cllm
