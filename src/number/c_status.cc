// primemath/status.h: the last failure of each thread.
#include <primemath/status.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "number/c_guard.h"

namespace cllm::number {
namespace {

// Long enough for every message that quotes at most a line; what is longer is cut.
thread_local std::array<char, 512> last_error = {};

}  // namespace

void keep_last_error(std::string_view text) noexcept {
  const size_t length = std::min(text.size(), last_error.size() - 1);
  std::copy_n(text.begin(), length, last_error.begin());
  last_error[length] = '\0';
}

primemath_status write_text(std::string_view text, char* buffer, size_t size, size_t* needed) {
  if (needed != nullptr) *needed = text.size() + 1;
  if (size <= text.size()) {
    keep_last_error("the buffer is too small for the text");
    return PRIMEMATH_BUFFER_TOO_SMALL;
  }
  require_argument(buffer, "buffer");
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
  return PRIMEMATH_OK;
}

}  // namespace cllm::number

const char* primemath_status_name(primemath_status status) {
  switch (status) {
    case PRIMEMATH_OK:
      return "OK";
    case PRIMEMATH_INVALID_ARGUMENT:
      return "INVALID_ARGUMENT";
    case PRIMEMATH_BAD_DATA:
      return "BAD_DATA";
    case PRIMEMATH_OUT_OF_MEMORY:
      return "OUT_OF_MEMORY";
    case PRIMEMATH_FAILED:
      return "FAILED";
    case PRIMEMATH_BUFFER_TOO_SMALL:
      return "BUFFER_TOO_SMALL";
    case PRIMEMATH_END:
      return "END";
  }
  return "unknown status";
}

const char* primemath_last_error(void) {
  return cllm::number::last_error.data();
}

const char* primemath_version(void) {
  return PRIMEMATH_VERSION;
}
