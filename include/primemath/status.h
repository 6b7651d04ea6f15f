// libprimemath, C interface: what every function returns, and how to learn more.
//
// No exception and no exit crosses this interface. A function that fails leaves its outputs as they
// were. Handles are opaque: made by ..._create, given back by ..._destroy (null is allowed there);
// one may be read by many threads at once, but changed by one only.
#ifndef PRIMEMATH_STATUS_H
#define PRIMEMATH_STATUS_H

#define PRIMEMATH_API_VERSION 1

#if defined(__GNUC__)
#define PRIMEMATH_API __attribute__((visibility("default")))
#else
#define PRIMEMATH_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum primemath_status {
  PRIMEMATH_OK = 0,
  PRIMEMATH_INVALID_ARGUMENT = 1,  // null, out of range, outside a function's domain
  PRIMEMATH_BAD_DATA = 2,          // a text that is not what it should be
  PRIMEMATH_OUT_OF_MEMORY = 3,     // it does not fit in memory, or in the library's limits
  PRIMEMATH_FAILED = 4,            // the system failed, or the work was stopped
  PRIMEMATH_BUFFER_TOO_SMALL = 5,  // *needed says how large it must be
  PRIMEMATH_END = 6                // there is no (further) result; no failure
} primemath_status;

// The name of a status, "OUT_OF_MEMORY". Never null.
PRIMEMATH_API const char* primemath_status_name(primemath_status status);

// One line about the last failure on this thread: where, what, what to do. "" if there was none.
// Valid until this thread's next call that fails.
PRIMEMATH_API const char* primemath_last_error(void);

// The version of the library that is loaded, "0.1.0".
PRIMEMATH_API const char* primemath_version(void);

#ifdef __cplusplus
}
#endif

#endif
