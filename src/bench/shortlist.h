// Choosing a token from the logits of a shortlist instead of all (crystal/shortlist.h): what it
// costs after the blocks, and how many of the likeliest tokens the shortlist holds. Beside it two
// controls, candidates by the gcd of ids and the first ids.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "bench/presets.h"
#include "bench/report.h"
#include "model/transformer.h"
#include "ops/context.h"
#include "ops/decode.h"
#include "tensor/arena.h"

namespace cllm::bench {

// A model, and the text after whose tokens its head is asked.
struct ShortlistSubject {
  std::unique_ptr<const Transformer> model;
  Arena weights;                // laid out by model->parameters()
  int64_t vocabulary = 0;       // of the tokenizer, at most the model's
  std::vector<int32_t> tokens;  // at least 2
};

// Random weights in the shape of a preset, and random tokens.
ShortlistSubject random_shortlist_subject(const BenchPreset& preset, ThreadPool& pool);

struct ShortlistWanted {
  ops::WeightType weights = ops::WeightType::kFp32;
  int64_t queries = 256;  // hidden states, at least 1
  // ShortlistOptions, every combination.
  std::vector<int64_t> candidates, bits, query_bits;

  // Error (kUsage).
  void validate() const;
};

// The time of a choice from all logits, and of each shortlist and control; of the latter two also
// recall_1_share and recall_40_share, means over the hidden states. Notes the subject in
// report.settings and report.notes and appends to report.results. check_interrupt is called between
// parts of the work that comes before the first measurement, and ends it by throwing. Error
// (kUsage) as require_shortlist_model() (of `--model`). wanted must validate.
void measure_shortlists(const ops::Context& context, ShortlistSubject subject,
                        const ShortlistWanted& wanted, int rounds,
                        const std::function<void()>& check_interrupt, const Progressed& progress,
                        Report& report);

}  // namespace cllm::bench
