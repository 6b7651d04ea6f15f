// What is measured of an arm of an ablation, and how each quantity is told: in files, as a column,
// and as a claim of one arm against another.
#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <span>

namespace cllm {

enum class Quantity {
  kLoss,           // held out, nats per token
  kSeconds,        // of training
  kBytes,          // of the files of the model
  kRecall1,        // share of the texts after which the candidates hold the likeliest token
  kRecall40,       // mean share of the 40 likeliest tokens that they hold
  kChoiceSeconds,  // from a hidden state to the next token
  kChoiceShare,    // the same as a share of what the whole head takes, measured in turn with it
};

struct QuantityText {
  Quantity quantity;
  const char* key;      // in files
  const char* heading;  // of a column
  const char* claim;    // between two arms: "lowers the held-out loss against"; null: not claimed
  const char* unit;     // of a difference that is told
  bool lower_is_better;
  bool relative;  // a difference is a share of the other arm's figure
  double scale;   // of a difference that is told
  int decimals;
};

std::span<const QuantityText> quantities();
const QuantityText& text_of(Quantity quantity);

// Those that an arm has.
using Figures = std::map<Quantity, double>;

nlohmann::ordered_json figures_json(const Figures& figures);
// Empty unless all members are quantities and finite numbers.
Figures figures_of_json(const nlohmann::json& json);

}  // namespace cllm
