#include "base/log.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "base/clock.h"

namespace cllm {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kEraseLine = "\r\x1b[K";
constexpr std::string_view kRed = "\x1b[1;31m";
constexpr std::string_view kYellow = "\x1b[33m";
constexpr std::string_view kPlainColor = "\x1b[0m";

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  return line;
}

}  // namespace

Log::Log(const Terminal& terminal, LogLevel level, LogFormat format)
    : terminal_(terminal), level_(level), format_(format) {}

void Log::verbose(std::string_view text) {
  if (level_ == LogLevel::kVerbose) write("verbose", "", "", text, Json::object());
}

void Log::info(std::string_view text) {
  info(text, Json::object());
}

void Log::info(std::string_view text, const Json& fields) {
  if (level_ != LogLevel::kQuiet) write("info", "", "", text, fields);
}

void Log::warn(std::string_view text) {
  write("warning", "warning:", kYellow, text, Json::object());
}

void Log::error(std::string_view text) {
  write("error", "cllm:", kRed, text, Json::object());
}

void Log::write(std::string_view level, std::string_view prefix, std::string_view color,
                std::string_view text, const Json& fields) {
  CHECK(fields.is_object());
  std::string line;
  if (format_ == LogFormat::kJson) {
    Json message = {{"time", utc_time_now()}, {"level", level}, {"message", text}};
    message.update(fields);
    line = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  } else if (prefix.empty()) {
    line = one_line(text);
  } else if (terminal_.color) {
    line = fmt::format("{}{}{} {}", color, prefix, kPlainColor, one_line(text));
  } else {
    line = fmt::format("{} {}", prefix, one_line(text));
  }
  line += '\n';
  const std::lock_guard lock(mutex_);
  // One write, so that lines of several processes do not mix.
  if (!status_.empty()) line = fmt::format("{}{}{}", kEraseLine, line, status_);
  terminal_.write(line);
}

bool Log::shows_status() const {
  return terminal_.interactive && level_ != LogLevel::kQuiet && format_ == LogFormat::kPlain;
}

void Log::status(std::string_view line) {
  if (!shows_status()) return;
  const std::lock_guard lock(mutex_);
  if (line == status_) return;
  status_ = line;
  terminal_.write(fmt::format("{}{}", kEraseLine, status_));
}

}  // namespace cllm
