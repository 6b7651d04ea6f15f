// Golden numbers of Muon, made with numpy in 64-bit arithmetic (tests/golden/muon/make_golden.py).
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace cllm::optim {

inline nlohmann::json muon_golden(const std::string& part) {
  std::ifstream file(CLLM_GOLDEN_FOLDER "/muon/golden.json");
  return nlohmann::json::parse(file).at(part);
}

inline std::vector<float> floats_of(const nlohmann::json& numbers) {
  return numbers.get<std::vector<float>>();
}

inline std::vector<double> doubles_of(const nlohmann::json& numbers) {
  return numbers.get<std::vector<double>>();
}

}  // namespace cllm::optim
