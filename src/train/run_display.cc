#include "train/run_display.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/units.h"

namespace cllm {

RunDisplay::RunDisplay(Log& log, int64_t steps, int64_t first_step)
    : log_(log), bar_(log, "train", steps, first_step), steps_(steps), first_step_(first_step) {}

void RunDisplay::step(const StepRecord& record, bool log_line) {
  if (first_seconds_ < 0) first_seconds_ = record.seconds;
  const bool bar_due = bar_.due();
  const bool line_due = log_line && (!log_.shows_status() || log_.level() == LogLevel::kVerbose);
  if (!bar_due && !line_due) return;
  const std::string numbers =
      fmt::format("loss {:.4f} · lr {:.3g} · {}", record.loss, record.learning_rate,
                  format_rate(record.tokens_per_second, "tokens"));
  if (bar_due) bar_.update(record.step, numbers);
  if (!line_due) return;
  // Seconds per step since the second step of this session; the first one touches memory for the
  // first time.
  const int64_t done = record.step - first_step_ - 1;
  const double left = done > 0 ? (record.seconds - first_seconds_) / static_cast<double>(done) *
                                     static_cast<double>(steps_ - record.step)
                               : 0;
  log_.info(
      fmt::format("step {}/{}: loss {:.4f}, lr {:.3g}, grad norm {:.3f}, {}{}", record.step, steps_,
                  record.loss, record.learning_rate, record.gradient_norm,
                  format_rate(record.tokens_per_second, "tokens"),
                  done > 0 && record.step < steps_ ? ", " + format_duration(left) + " left" : ""),
      nlohmann::ordered_json{{"step", record.step},
                             {"loss", record.loss},
                             {"learning_rate", record.learning_rate},
                             {"gradient_norm", record.gradient_norm},
                             {"tokens_per_second", record.tokens_per_second}});
}

void RunDisplay::sample(int64_t step, std::string_view text) {
  if (log_.format() == LogFormat::kJson) {
    log_.info("sample", nlohmann::ordered_json{{"step", step}, {"sample", text}});
    return;
  }
  log_.info(fmt::format("step {}: sample", step));
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    log_.info(fmt::format("  | {}", text.substr(begin, end - begin)));
    begin = end + 1;
  }
}

}  // namespace cllm
