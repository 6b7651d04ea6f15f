// What a person sees of a run: a progress bar on a terminal, one plain line per interval elsewhere,
// samples in between.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/log.h"
#include "base/progress.h"
#include "runlog/metrics.h"

namespace cllm {

class RunDisplay {
 public:
  RunDisplay(Log& log, int64_t steps, int64_t first_step);

  // log_line: whether this step gets a plain line where there is no bar.
  void step(const StepRecord& record, bool log_line);
  void sample(int64_t step, std::string_view text);

 private:
  Log& log_;
  Progress bar_;
  int64_t steps_;
  int64_t first_step_;
  double first_seconds_ = -1;
};

}  // namespace cllm
