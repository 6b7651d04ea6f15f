// Messages to the user on stderr: plain single lines, or JSON lines. Passed by reference; there is
// no global log. It owns the last line of the terminal too, so that messages and a progress bar
// (base/progress.h) never mix.
#pragma once

#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "base/terminal.h"

namespace cllm {

enum class LogLevel { kQuiet, kNormal, kVerbose };
enum class LogFormat { kPlain, kJson };

// Thread-safe. A message is one write; control characters in it become blanks.
class Log {
 public:
  Log(const Terminal& terminal, LogLevel level, LogFormat format);
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  // Shown when verbose; unless quiet; always; always, as "cllm: text".
  void verbose(std::string_view text);
  void info(std::string_view text);
  void warn(std::string_view text);
  void error(std::string_view text);
  // info with members for the JSON form, {"time", "level", "message", ...fields}: a step with its
  // numbers, say. fields: an object.
  void info(std::string_view text, const nlohmann::ordered_json& fields);

  // Whether status() shows anything: a plain log that is not quiet, on an interactive terminal.
  bool shows_status() const;
  // Draws `line` as the last line of the terminal and keeps it there below all messages; "" removes
  // it. The line must fit terminal().width() - 1 columns.
  void status(std::string_view line);

  LogLevel level() const { return level_; }
  LogFormat format() const { return format_; }
  const Terminal& terminal() const { return terminal_; }

 private:
  void write(std::string_view level, std::string_view prefix, std::string_view color,
             std::string_view text, const nlohmann::ordered_json& fields);

  const Terminal terminal_;
  const LogLevel level_;
  const LogFormat format_;
  std::mutex mutex_;
  std::string status_;
};

}  // namespace cllm
