// The texts that the number layer reads: decimal numbers and natural numbers. Whatever it is, it is
// read or refused with one line; what is read prints to a text that reads as the same.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "number/big_fixed.h"
#include "number/natural.h"

namespace {

using cllm::Error;
using cllm::number::BigFixed;

void check_line(const Error& error) {
  CHECK(std::string_view(error.what()).find('\n') == std::string_view::npos);
}

void read_decimal(std::string_view text, int64_t bits) {
  try {
    const BigFixed value = BigFixed::parse(text, bits);
    // Long ones are read, but printing takes its time.
    constexpr size_t kLong = 100000;
    if (mpz_sizeinbase(value.mantissa().get_mpz_t(), 2) > kLong) return;
    CHECK(BigFixed::parse(value.to_string(), bits) == value);
    CHECK(BigFixed::parse(value.to_string(), bits).to_double() == value.to_double());
  } catch (const Error& error) {
    check_line(error);
  }
}

void read_natural(std::string_view text) {
  try {
    const uint64_t n = cllm::number::parse_natural(text, "N");
    CHECK(cllm::number::parse_natural(std::to_string(n), "N") == n);
  } catch (const Error& error) {
    check_line(error);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  read_decimal(text, data[0]);
  read_natural(text);
  return 0;
}
