#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace cllm {
namespace {

std::string one_line(const std::string& where, const std::string& what, const std::string& hint) {
  std::string text = where.empty() ? what : where + ": " + what;
  if (!hint.empty()) text += "; " + hint;
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

}  // namespace

Error::Error(ErrorKind kind, const std::string& where, const std::string& what,
             const std::string& hint)
    : std::runtime_error(one_line(where, what, hint)), kind_(kind) {}

std::string errno_text() {
  return std::generic_category().message(errno);
}

}  // namespace cllm
