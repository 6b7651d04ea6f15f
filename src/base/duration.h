// Spans of time as people write them.
#pragma once

#include <string_view>

namespace cllm {

// Seconds of "90s", "10m", "1.5h" or "2d"; a number alone is seconds. Error (kUsage) that names
// `where` for anything else, and for what is not above zero.
double parse_duration(std::string_view text, std::string_view where);

}  // namespace cllm
