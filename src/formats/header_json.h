// Strict JSON for file headers: like nlohmann::json::parse, but a duplicate key or deep nesting is
// an Error (kData) too. JSON leaves duplicates open; two readers that pick different ones would
// load different models from one file.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace cllm {

// `where` is the file's name for the Error.
nlohmann::json parse_header_json(std::string_view text, const std::string& where);

// `name` as a JSON string: quoted, control characters escaped, for error messages.
std::string quote_name(std::string_view name);

}  // namespace cllm
