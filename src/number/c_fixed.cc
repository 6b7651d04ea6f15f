// primemath/number.h: fixed-point numbers.
#include <primemath/number.h>

#include <memory>

#include "number/big_fixed.h"
#include "number/c_guard.h"

namespace n = cllm::number;

struct primemath_fixed {
  n::BigFixed value;
};

namespace {

using n::BigFixed;
using n::guarded;
using n::require_argument;

// *result = a new handle of what make() returns.
template <class Make>
primemath_status create(primemath_fixed** result, Make make) {
  return guarded([&] {
    require_argument(result, "result");
    *result = std::make_unique<primemath_fixed>(primemath_fixed{make()}).release();
    return PRIMEMATH_OK;
  });
}

const BigFixed& value_of(const primemath_fixed* handle, const char* name) {
  require_argument(handle, name);
  return handle->value;
}

primemath_status apply(BigFixed (*function)(const BigFixed&, int64_t), const primemath_fixed* a,
                       int64_t bits, primemath_fixed** result) {
  return create(result, [&] { return function(value_of(a, "a"), bits); });
}

}  // namespace

primemath_status primemath_fixed_create(const char* text, int64_t bits, primemath_fixed** result) {
  return create(result, [&] {
    require_argument(text, "text");
    return BigFixed::parse(text, bits);
  });
}

primemath_status primemath_fixed_create_from_double(double value, primemath_fixed** result) {
  return create(result, [&] { return BigFixed::from_double(value); });
}

void primemath_fixed_destroy(primemath_fixed* value) {
  delete value;
}

primemath_status primemath_fixed_print(const primemath_fixed* value, char* buffer, size_t size,
                                       size_t* needed) {
  return guarded(
      [&] { return n::write_text(value_of(value, "value").to_string(), buffer, size, needed); });
}

primemath_status primemath_fixed_to_double(const primemath_fixed* value, double* result) {
  return guarded([&] {
    require_argument(result, "result");
    *result = value_of(value, "value").to_double();
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_fixed_compare(const primemath_fixed* a, const primemath_fixed* b,
                                         int* order) {
  return guarded([&] {
    require_argument(order, "order");
    const auto compared = value_of(a, "a") <=> value_of(b, "b");
    *order = (compared > 0) - (compared < 0);
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_fixed_add(const primemath_fixed* a, const primemath_fixed* b,
                                     primemath_fixed** result) {
  return create(result, [&] { return value_of(a, "a") + value_of(b, "b"); });
}

primemath_status primemath_fixed_subtract(const primemath_fixed* a, const primemath_fixed* b,
                                          primemath_fixed** result) {
  return create(result, [&] { return value_of(a, "a") - value_of(b, "b"); });
}

primemath_status primemath_fixed_multiply(const primemath_fixed* a, const primemath_fixed* b,
                                          primemath_fixed** result) {
  return create(result, [&] { return value_of(a, "a") * value_of(b, "b"); });
}

primemath_status primemath_fixed_divide(const primemath_fixed* a, const primemath_fixed* b,
                                        int64_t bits, primemath_fixed** result) {
  return create(result, [&] { return n::divide(value_of(a, "a"), value_of(b, "b"), bits); });
}

primemath_status primemath_fixed_sqrt(const primemath_fixed* a, int64_t bits,
                                      primemath_fixed** result) {
  return apply(n::sqrt, a, bits, result);
}

primemath_status primemath_fixed_exp(const primemath_fixed* a, int64_t bits,
                                     primemath_fixed** result) {
  return apply(n::exp, a, bits, result);
}

primemath_status primemath_fixed_log(const primemath_fixed* a, int64_t bits,
                                     primemath_fixed** result) {
  return apply(n::log, a, bits, result);
}

primemath_status primemath_fixed_sin(const primemath_fixed* a, int64_t bits,
                                     primemath_fixed** result) {
  return apply(n::sin, a, bits, result);
}

primemath_status primemath_fixed_cos(const primemath_fixed* a, int64_t bits,
                                     primemath_fixed** result) {
  return apply(n::cos, a, bits, result);
}
