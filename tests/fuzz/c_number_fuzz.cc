// The C interface of numbers: programs of calls with arguments from the input, null pointers and
// other nonsense included. Every call returns, and a handle is made if and only if it says OK.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "base/check.h"
#include "primemath/primemath.h"

namespace {

// Takes values from the input; zeros when it is used up.
class Input {
 public:
  Input(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool empty() const { return size_ == 0; }
  uint64_t word() {
    uint64_t value = 0;
    const size_t n = std::min(size_, sizeof value);
    std::memcpy(&value, data_, n);
    advance(n);
    return value;
  }
  uint8_t byte() {
    const uint8_t value = size_ == 0 ? uint8_t{0} : *data_;
    advance(std::min<size_t>(size_, 1));
    return value;
  }
  std::string text() {
    const size_t n = std::min<size_t>(size_, byte() % 40);
    std::string value(reinterpret_cast<const char*>(data_), std::min(n, size_));
    advance(value.size());
    return value;
  }

 private:
  void advance(size_t n) {
    data_ += n;
    size_ -= n;
  }
  const uint8_t* data_;
  size_t size_;
};

struct Destroy {
  void operator()(primemath_fixed* p) const { primemath_fixed_destroy(p); }
  void operator()(primemath_signature_table* p) const { primemath_signature_table_destroy(p); }
  void operator()(primemath_residue_system* p) const { primemath_residue_system_destroy(p); }
};
using Fixed = std::unique_ptr<primemath_fixed, Destroy>;

void check_made(primemath_status status, const void* handle) {
  CHECK((status == PRIMEMATH_OK) == (handle != nullptr));
  CHECK(std::strlen(primemath_status_name(status)) != 0);
}

void use_fixed(Input& in, std::vector<Fixed>& values) {
  const auto any = [&]() -> const primemath_fixed* {
    const size_t i = in.byte();
    return i < values.size() ? values[i].get() : nullptr;
  };
  using Binary =
      primemath_status (*)(const primemath_fixed*, const primemath_fixed*, primemath_fixed**);
  using Function = primemath_status (*)(const primemath_fixed*, int64_t, primemath_fixed**);
  constexpr Binary kBinary[] = {primemath_fixed_add, primemath_fixed_subtract,
                                primemath_fixed_multiply};
  constexpr Function kFunctions[] = {primemath_fixed_sqrt, primemath_fixed_exp, primemath_fixed_log,
                                     primemath_fixed_sin, primemath_fixed_cos};
  primemath_fixed* made = nullptr;
  const int which = in.byte() % 12;
  const int64_t bits = in.byte() - 8;
  const primemath_fixed *a = any(), *b = any();
  primemath_status status;
  if (which < 3) {
    status = kBinary[which](a, b, &made);
  } else if (which < 8) {
    status = kFunctions[which - 3](a, bits, &made);
  } else if (which == 8) {
    status = primemath_fixed_divide(a, b, bits, &made);
  } else if (which == 9) {
    const uint64_t word = in.word();
    double value = 0;
    std::memcpy(&value, &word, sizeof value);
    status = primemath_fixed_create_from_double(value, &made);
  } else {
    status = primemath_fixed_create(in.text().c_str(), bits, &made);
  }
  check_made(status, made);
  Fixed owned(made);
  size_t needed = 0;
  char small[8];
  if (owned && primemath_fixed_print(owned.get(), small, sizeof small, &needed) == PRIMEMATH_OK)
    CHECK(std::strlen(small) + 1 == needed);
  // Values that have grown long are dropped: an input is to take milliseconds.
  if (owned && needed < 2000 && values.size() < 8) values.push_back(std::move(owned));
}

void use_numbers(Input& in) {
  const uint64_t n = in.word();
  primemath_prime_power factors[PRIMEMATH_MAX_FACTORS];
  size_t count = 0;
  CHECK(primemath_factor(n, factors, &count) == PRIMEMATH_OK && count <= PRIMEMATH_MAX_FACTORS);
  uint64_t product = n == 0 ? 0 : 1;
  for (size_t i = 0; i < count; ++i)
    for (int j = 0; j < factors[i].exponent; ++j)
      product *= factors[i].prime;
  CHECK(product == n);
  int64_t x = 0, y = 0;
  uint64_t back = 0;
  if (primemath_ulam_point(n, &x, &y) == PRIMEMATH_OK)
    CHECK(primemath_ulam_number(x, y, &back) == PRIMEMATH_OK && back == n);
  const int order = in.byte() - 4;
  if (primemath_hilbert_point(order, n, &x, &y) == PRIMEMATH_OK)
    CHECK(primemath_hilbert_index(order, x, y, &back) == PRIMEMATH_OK && back == n);
  static_cast<void>(primemath_ulam_number(static_cast<int64_t>(in.word()),
                                          static_cast<int64_t>(in.word()), &back));
}

void use_clocks(Input& in) {
  uint64_t moduli[4], residues[4];
  const size_t count = in.byte() % 5;
  for (size_t i = 0; i < count; ++i) {
    moduli[i] = in.word() >> in.byte() % 64;
    residues[i] = in.word() % (moduli[i] == 0 ? 1 : moduli[i]);
  }
  uint64_t shift = 0;
  static_cast<void>(
      primemath_clock_coincidence(moduli, count, in.byte(), in.byte(), in.byte(), &shift));
  primemath_residue_system* made = nullptr;
  check_made(primemath_residue_system_create(moduli, count, &made), made);
  const std::unique_ptr<primemath_residue_system, Destroy> system(made);
  if (!system) return;
  char text[100];
  uint64_t back[4];
  CHECK(primemath_residue_system_value(made, residues, text, sizeof text, nullptr) == PRIMEMATH_OK);
  CHECK(primemath_residue_system_residues(made, text, back) == PRIMEMATH_OK);
  CHECK(std::memcmp(residues, back, count * sizeof back[0]) == 0);
  static_cast<void>(primemath_residue_system_residues(made, in.text().c_str(), back));
}

void use_signatures(Input& in) {
  primemath_signature_table* made = nullptr;
  const size_t bits = in.byte();
  check_made(primemath_signature_table_create(bits, &made), made);
  const std::unique_ptr<primemath_signature_table, Destroy> table(made);
  if (!table) return;
  const size_t words = (bits + 63) / 64;
  for (size_t row = in.byte() % 20; row > 0; --row) {
    std::vector<uint64_t> set(words);
    for (uint64_t& word : set)
      word = in.word();
    static_cast<void>(primemath_signature_table_add(made, set.data(), 1));
  }
  std::vector<uint64_t> query(words);
  for (uint64_t& word : query)
    word = in.word();
  primemath_match best[5];
  size_t found = 0;
  static_cast<void>(primemath_signature_table_top(made, query.data(), in.byte() % 6, best, &found));
  CHECK(found <= 5);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, size);
  std::vector<Fixed> values;
  while (!in.empty()) {
    switch (in.byte() % 8) {
      case 0:
        use_numbers(in);
        break;
      case 1:
        use_clocks(in);
        break;
      case 2:
        use_signatures(in);
        break;
      default:
        use_fixed(in, values);
    }
  }
  return 0;
}
