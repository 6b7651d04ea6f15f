#include "train/arm_figures.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace cllm {
namespace {

TEST(ArmFigures, ComeBackFromTheirFile) {
  Figures figures;
  for (const QuantityText& text : quantities())
    figures[text.quantity] = 0.1 + static_cast<double>(figures.size());
  const std::string text = figures_json(figures).dump();
  EXPECT_EQ(figures_of_json(nlohmann::json::parse(text)), figures);
}

TEST(ArmFigures, AreNotTakenFromAnythingElse) {
  for (const char* text : {"{}", "[1]", "{\"loss\": null}", "{\"loss\": \"1\"}",
                           "{\"loss\": 1, \"luck\": 2}", "{\"loss\": 1"})
    EXPECT_TRUE(figures_of_json(nlohmann::json::parse(text, nullptr, false)).empty()) << text;
}

}  // namespace
}  // namespace cllm
