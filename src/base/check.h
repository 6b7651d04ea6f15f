// Internal invariants. CHECK is always on and aborts with file, line and values: a failed CHECK is
// our bug, never the user's. DCHECK is for inner loops and vanishes when NDEBUG is defined.
// What a user or the world did wrong is an Error (base/error.h), not a CHECK.
#pragma once

#include <fmt/format.h>

#include <string>

namespace cllm {

[[noreturn]] void check_failed(const char* file, int line, const char* condition,
                               const std::string& values);

}  // namespace cllm

#define CHECK(condition)                                        \
  do {                                                          \
    if (!(condition)) [[unlikely]]                              \
      ::cllm::check_failed(__FILE__, __LINE__, #condition, {}); \
  } while (false)

// CHECK with a fmt message: CHECK_MSG(n % h == 0, "n={} h={}", n, h).
#define CHECK_MSG(condition, ...)                                                       \
  do {                                                                                  \
    if (!(condition)) [[unlikely]]                                                      \
      ::cllm::check_failed(__FILE__, __LINE__, #condition, ::fmt::format(__VA_ARGS__)); \
  } while (false)

#define CHECK_EQ(a, b) CHECK_MSG((a) == (b), "{} vs {}", (a), (b))

#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(condition))
#else
#define DCHECK(condition) CHECK(condition)
#endif
