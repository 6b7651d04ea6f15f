// What is worth a line in the record of a run about its learning rate: the end of the warm-up, the
// beginning of a decay, and every reduction of the step schedule.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "optim/schedule.h"

namespace cllm {

// The event of `step` (0, 1, 2, ... as in optim::learning_rate); nothing for most steps and always
// for step 0. A pure function.
std::optional<std::string> learning_rate_event(const optim::Schedule& schedule, int64_t step);

}  // namespace cllm
