// Numbers for people: three significant digits and a unit, never "1000.0 k" or "60.0 s". A value
// that is not finite prints as "?".
#pragma once

#include <string>
#include <string_view>

namespace cllm {

// "512 B", "1.50 KiB", "3.21 GiB"; powers of 1024.
std::string format_bytes(double bytes);
// "7", "1.24 k", "124 M", "1.50 G"; powers of 1000; whole numbers below 1000.
std::string format_count(double count);
// "12.3 k tokens/s"; below 1000 with three digits, "0.512 steps/s".
std::string format_rate(double per_second, std::string_view what);
// "3.20 ms", "12.3 s", "3 min 05 s", "1 h 02 min", "2 d 03 h".
std::string format_duration(double seconds);

}  // namespace cllm
