#include "train/arm_figures.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "base/check.h"

namespace cllm {
namespace {

constexpr QuantityText kTexts[] = {
    {.quantity = Quantity::kLoss,
     .key = "loss",
     .heading = "held-out loss (95 % interval)",
     .claim = "lowers the held-out loss against",
     .unit = "nats per token",
     .lower_is_better = true,
     .relative = false,
     .scale = 1,
     .decimals = 4},
    {.quantity = Quantity::kSeconds,
     .key = "seconds",
     .heading = "seconds",
     .claim = "takes less time per token than",
     .unit = "% of its time",
     .lower_is_better = true,
     .relative = true,
     .scale = 100,
     .decimals = 1},
    {.quantity = Quantity::kBytes,
     .key = "bytes",
     .heading = "bytes of the file",
     .claim = "makes a smaller file than",
     .unit = "% of its bytes",
     .lower_is_better = true,
     .relative = true,
     .scale = 100,
     .decimals = 2},
    {.quantity = Quantity::kRecall1,
     .key = "recall_1",
     .heading = "recall@1",
     .claim = "holds the likeliest token more often than",
     .unit = "% of the texts",
     .lower_is_better = false,
     .relative = false,
     .scale = 100,
     .decimals = 2},
    {.quantity = Quantity::kRecall40,
     .key = "recall_40",
     .heading = "recall@40",
     .claim = "holds more of the 40 likeliest tokens than",
     .unit = "% of them",
     .lower_is_better = false,
     .relative = false,
     .scale = 100,
     .decimals = 2},
    {.quantity = Quantity::kChoiceSeconds,
     .key = "choice_seconds",
     .heading = "time of a choice",
     .claim = nullptr,
     .unit = "s",
     .lower_is_better = true,
     .relative = false,
     .scale = 1,
     .decimals = 9},
    {.quantity = Quantity::kChoiceShare,
     .key = "choice_share",
     .heading = "of the whole head's, measured in turn",
     .claim = "chooses a token in less time than",
     .unit = "% of its time",
     .lower_is_better = true,
     .relative = true,
     .scale = 100,
     .decimals = 1},
};

}  // namespace

std::span<const QuantityText> quantities() {
  return kTexts;
}

const QuantityText& text_of(Quantity quantity) {
  const auto* const text = std::ranges::find(kTexts, quantity, &QuantityText::quantity);
  CHECK(text != std::end(kTexts));
  return *text;
}

nlohmann::ordered_json figures_json(const Figures& figures) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [quantity, value] : figures)
    json[text_of(quantity).key] = value;
  return json;
}

Figures figures_of_json(const nlohmann::json& json) {
  if (!json.is_object()) return {};
  Figures figures;
  for (const auto& [key, value] : json.items()) {
    const auto* const text =
        std::ranges::find(kTexts, key, [](const QuantityText& t) { return std::string(t.key); });
    if (text == std::end(kTexts) || !value.is_number() || !std::isfinite(value.get<double>()))
      return {};
    figures[text->quantity] = value.get<double>();
  }
  return figures;
}

}  // namespace cllm
