// The C interface of lattices: programs of calls with arguments from the input, null pointers and
// other nonsense included. Every call returns, a handle is made if and only if it says OK, and what
// is made is what the judges of the same interface accept.
#include <algorithm>
#include <cmath>
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
  template <class T>
  T value() {
    T result{};
    const size_t n = std::min(size_, sizeof result);
    std::memcpy(&result, data_, n);
    data_ += n;
    size_ -= n;
    return result;
  }

 private:
  const uint8_t* data_;
  size_t size_;
};

struct Destroy {
  void operator()(primemath_basis* p) const { primemath_basis_destroy(p); }
};
using Basis = std::unique_ptr<primemath_basis, Destroy>;

Basis checked(primemath_status status, primemath_basis* made) {
  CHECK((status == PRIMEMATH_OK) == (made != nullptr));
  return Basis(made);
}

bool holds(primemath_status status, int answer) {
  return status == PRIMEMATH_OK && answer == 1;
}

// Stops a search that would take long.
int impatient(void* context, const char* phase, uint64_t, uint64_t) {
  CHECK(std::strlen(phase) != 0);
  int& left = *static_cast<int*>(context);
  return --left <= 0;
}

Basis any_basis(Input& in) {
  primemath_basis* made = nullptr;
  if (in.value<uint8_t>() % 2 == 0) {
    std::string text(in.value<uint8_t>() % 64, ' ');
    for (char& c : text)
      c = in.value<char>();
    return checked(primemath_basis_parse(text.data(), text.size(), &made), made);
  }
  const size_t rows = in.value<uint8_t>() % 6, columns = in.value<uint8_t>() % 8;
  std::vector<int64_t> entries(rows * columns + 1);
  for (int64_t& entry : entries)
    entry = in.value<int64_t>() >> in.value<uint8_t>() % 64;
  return checked(primemath_basis_create(entries.data(), rows, columns, &made), made);
}

void use_basis(Input& in) {
  const Basis basis = any_basis(in);
  const primemath_basis* const b = basis.get();
  int patience = in.value<uint8_t>(), answer = 0;
  const double delta = in.value<uint8_t>() / 256.0, eta = in.value<uint8_t>() / 256.0;
  primemath_basis* made = nullptr;
  const Basis reduced = checked(primemath_basis_reduce(b, delta, eta, in.value<uint8_t>() % 8 - 2,
                                                       impatient, &patience, &made),
                                made);
  if (reduced) {
    CHECK(holds(primemath_is_same_lattice(b, reduced.get(), &answer), answer));
    CHECK(holds(primemath_is_reduced(reduced.get(), delta, eta, &answer), answer));
  }
  made = nullptr;
  if (reduced) {  // the Hermite form demands independent rows, as the reduction does
    const Basis form = checked(primemath_basis_hermite(b, &made), made);
    CHECK(form && holds(primemath_is_same_lattice(b, form.get(), &answer), answer));
  }
  made = nullptr;
  const Basis shortest = checked(primemath_shortest_vector(b, impatient, &patience, &made), made);
  if (shortest) CHECK(holds(primemath_is_member(shortest.get(), b, &answer), answer));
  std::vector<double> target(primemath_basis_columns(b) + 1);
  for (double& x : target)
    x = in.value<double>();
  made = nullptr;
  double distance = 0;
  const auto method = static_cast<primemath_closest_method>(in.value<uint8_t>() % 5);
  const Basis closest =
      checked(primemath_closest_vector(b, target.data(), method, in.value<uint8_t>() % 20 - 2,
                                       impatient, &patience, &made, &distance),
              made);
  if (closest) CHECK(holds(primemath_is_member(closest.get(), b, &answer), answer));
  char small[16];
  size_t needed = 0;
  if (primemath_basis_print(b, small, sizeof small, &needed) == PRIMEMATH_OK)
    CHECK(std::strlen(small) + 1 == needed);
}

void use_classical(Input& in) {
  const auto lattice = static_cast<primemath_classical>(in.value<uint8_t>() % 7);
  const size_t dimension = primemath_classical_dimension(lattice), count = in.value<uint8_t>() % 20;
  std::vector<int32_t> vector(dimension + 1);
  const auto index = in.value<uint32_t>();
  uint32_t back = 0;
  if (primemath_minimal_vector(lattice, index, vector.data()) == PRIMEMATH_OK)
    CHECK(primemath_minimal_vector_index(lattice, vector.data(), &back) == PRIMEMATH_OK &&
          back == index);
  std::vector<double> targets(dimension * count + 1), distances(count + 1), again(count + 1);
  for (double& x : targets)
    x = in.value<int8_t>() / 4.0;
  if (!targets.empty() && in.value<uint8_t>() % 4 == 0) targets[0] = in.value<double>();
  std::vector<int64_t> points(targets.size()), twice(targets.size());
  if (primemath_decode(lattice, targets.data(), count, points.data(), distances.data()) !=
      PRIMEMATH_OK)
    return;
  // A point of the lattice is its own nearest point.
  std::vector<double> decoded(points.begin(), points.end());
  if (std::ranges::any_of(decoded, [](double x) { return std::abs(x) > 1e15; })) return;
  CHECK(primemath_decode(lattice, decoded.data(), count, twice.data(), again.data()) ==
        PRIMEMATH_OK);
  for (size_t p = 0; p < count; ++p)
    CHECK(again[p] == 0);
}

void use_codes(Input& in) {
  const auto code = static_cast<primemath_spherical_code>(in.value<uint8_t>() % 6);
  const size_t dimensions = in.value<uint8_t>() % 40;
  uint64_t size = 0;
  double cosine = 0;
  if (primemath_spherical_code_size(code, dimensions, &size, &cosine) != PRIMEMATH_OK) return;
  std::vector<double> first(dimensions), second(dimensions);
  const uint64_t a = in.value<uint32_t>(), b = in.value<uint32_t>();
  const auto status = primemath_spherical_vector(code, a, dimensions, first.data());
  CHECK((status == PRIMEMATH_OK) == (a < size));
  if (a >= size || b >= size || a == b) return;
  CHECK(primemath_spherical_vector(code, b, dimensions, second.data()) == PRIMEMATH_OK);
  double dot = 0;
  for (size_t i = 0; i < dimensions; ++i)
    dot += first[i] * second[i];
  CHECK(dot <= cosine + 1e-12);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Input in(data, std::min<size_t>(size, 512));  // an input is to take milliseconds
  while (!in.empty()) {
    switch (in.value<uint8_t>() % 4) {
      case 0:
        use_classical(in);
        break;
      case 1:
        use_codes(in);
        break;
      default:
        use_basis(in);
    }
  }
  return 0;
}
