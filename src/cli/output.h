// Standard output: the results of a command, and nothing else.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>

namespace cllm::cli {

// Thrown when the reader of the output has gone (`cllm ... | head`); no failure of ours.
struct BrokenPipe {};

// Buffered; not thread-safe. What is not flushed at its end is lost: main flushes after the action,
// so that a write that fails is never overlooked.
class Output {
 public:
  explicit Output(int descriptor) : descriptor_(descriptor) {}
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // BrokenPipe, or Error (kRuntime) if it cannot be written (disk full, closed).
  void write(std::string_view text);
  template <class... Args>
  void print(fmt::format_string<Args...> format, Args&&... args) {
    write(fmt::format(format, std::forward<Args>(args)...));
  }
  // The document on lines of its own; bytes that are no UTF-8 become U+FFFD.
  void json(const nlohmann::ordered_json& document);
  void flush();

  bool is_terminal() const;

 private:
  int descriptor_;
  std::string buffer_;
};

}  // namespace cllm::cli
