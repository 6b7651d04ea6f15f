// Time: a steady clock for durations and forecasts, wall time for names and logs.
#pragma once

#include <ctime>
#include <string>

namespace cllm {

// Seconds since some fixed moment; never goes back. Thread-safe, no allocation.
double steady_seconds();

// UTC in ISO 8601, e.g. "2026-11-21T02:36:46Z". Thread-safe.
std::string utc_time(std::time_t moment);
std::string utc_time_now();

}  // namespace cllm
