// What the sources of the C interface share: exceptions become statuses here, and nowhere else.
// Internal to the c_*.cc files of the layers number and lattice.
#pragma once

#include <primemath/status.h>

#include <exception>
#include <new>
#include <stdexcept>
#include <string_view>

#include "base/error.h"

namespace cllm::number {

// Keeps the first line's worth of text for primemath_last_error on this thread. Allocates nothing.
void keep_last_error(std::string_view text) noexcept;

// Error (kUsage) if an argument of the C interface is null.
inline void require_argument(const void* pointer, const char* name) {
  if (pointer == nullptr) throw Error(ErrorKind::kUsage, name, "is null", "give a valid pointer");
}

inline primemath_status status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return PRIMEMATH_INVALID_ARGUMENT;
    case ErrorKind::kData:
      return PRIMEMATH_BAD_DATA;
    case ErrorKind::kMemory:
      return PRIMEMATH_OUT_OF_MEMORY;
    default:
      return PRIMEMATH_FAILED;
  }
}

// Runs work(), which returns a status, and turns what it throws into one.
template <class Work>
primemath_status guarded(Work&& work) noexcept {
  try {
    return work();
  } catch (const Error& error) {
    keep_last_error(error.what());
    return status_of(error.kind());
  } catch (const std::bad_alloc&) {
    keep_last_error("out of memory; choose a smaller task");
    return PRIMEMATH_OUT_OF_MEMORY;
  } catch (const std::length_error&) {
    keep_last_error("out of memory; choose a smaller task");
    return PRIMEMATH_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    keep_last_error(error.what());
    return PRIMEMATH_FAILED;
  } catch (...) {
    keep_last_error("unknown failure");
    return PRIMEMATH_FAILED;
  }
}

// Copies a text with a final NUL into the caller's buffer.
primemath_status write_text(std::string_view text, char* buffer, size_t size, size_t* needed);

}  // namespace cllm::number
