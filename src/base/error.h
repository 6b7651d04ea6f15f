// What the user or the world did wrong, as one line: where, what, what to do. Thrown; caught once,
// in the CLI's main, which prints "cllm: <what()>" and exits with the kind's code.
#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>

namespace cllm {

// The value is the exit code of the program.
enum class ErrorKind {
  kRuntime = 1,   // the world failed: disk full, cannot write, killed peer
  kUsage = 2,     // command line or settings
  kData = 3,      // input data or file format
  kDiverged = 4,  // non-finite loss or gradient
  kMemory = 5,    // does not fit in memory
};

class Error : public std::runtime_error {
 public:
  // where: file, file:line, or the name of a setting ("" if there is none); what: the fact, with
  // its numbers; hint: what to do next. None ends with a full stop.
  Error(ErrorKind kind, const std::string& where, const std::string& what, const std::string& hint);

  ErrorKind kind() const { return kind_; }
  int exit_code() const { return static_cast<int>(kind_); }

 private:
  ErrorKind kind_;
};

// "strerror(errno)" text for the current errno.
std::string errno_text();

}  // namespace cllm
