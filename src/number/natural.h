// Natural numbers as people type them: "1000", "1e9", "25e2".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace cllm::number {

// Digits, and 'e' with the number of zeros behind them if you like. Error (kUsage) that names
// `where` for anything else, and beyond 2^64 - 1.
uint64_t parse_natural(std::string_view text, const std::string& where);

}  // namespace cllm::number
