#include "lattice/generate.h"

#include <algorithm>

#include "base/error.h"
#include "base/memory.h"
#include "base/philox.h"

namespace cllm::lattice {
namespace {

constexpr int64_t kMostBits = 1'000'000;

class Generator {
 public:
  Generator(int64_t rows, int64_t bits, uint64_t seed)
      : rows_(static_cast<size_t>(rows)), bits_(bits), random_(seed, RandomStream::kSample) {}

  IntegerMatrix uniform() {
    IntegerMatrix basis(rows_, rows_);
    for (size_t i = 0; i < rows_; ++i)
      for (mpz_class& entry : basis.row(i))
        entry = number();
    return basis;
  }

  IntegerMatrix knapsack() {
    IntegerMatrix basis(rows_, rows_ + 1);
    for (size_t i = 0; i < rows_; ++i) {
      basis(i, 0) = number();
      basis(i, i + 1) = 1;
    }
    return basis;
  }

  IntegerMatrix qary(bool circulant) {
    const size_t half = rows_ / 2;
    IntegerMatrix basis(rows_, rows_);
    const mpz_class modulus = number() | (mpz_class(1) << static_cast<unsigned>(bits_ - 1)) | 1;
    for (size_t i = 0; i < half; ++i) {
      basis(i, i) = 1;
      basis(half + i, half + i) = modulus;
      for (size_t j = 0; j < half; ++j)
        basis(i, half + j) = circulant && i > 0 ? basis(i - 1, half + (j + half - 1) % half)
                                                : mpz_class(number() % modulus);
    }
    return basis;
  }

  IntegerMatrix goldstein_mayer() {
    IntegerMatrix basis = identity(rows_);
    mpz_class start = number() | (mpz_class(1) << static_cast<unsigned>(bits_ - 1));
    mpz_nextprime(basis(0, 0).get_mpz_t(), start.get_mpz_t());
    for (size_t i = 1; i < rows_; ++i)
      basis(i, 0) = number() % basis(0, 0);
    return basis;
  }

 private:
  // Uniform in [0, 2^bits).
  mpz_class number() {
    mpz_class value;
    for (int64_t left = bits_; left > 0; left -= 32) {
      const uint32_t word = random_.bits(0, index_++)[0];
      const auto take = static_cast<unsigned>(std::min<int64_t>(left, 32));
      value = (value << take) + (word >> (32 - take));
    }
    return value;
  }

  size_t rows_;
  int64_t bits_;
  Philox random_;
  uint64_t index_ = 0;
};

}  // namespace

IntegerMatrix generate_basis(BasisKind kind, int64_t rows, int64_t bits, uint64_t seed) {
  if (rows < 1)
    throw Error(ErrorKind::kUsage, "rows", fmt::format("{} is below 1", rows), "give at least 1");
  if (bits < 1 || bits > kMostBits)
    throw Error(ErrorKind::kUsage, "bits",
                fmt::format("{} is not between 1 and {}", bits, kMostBits), "20 is usual");
  const bool halves = kind == BasisKind::kQary || kind == BasisKind::kNtru;
  if (halves && rows % 2 != 0)
    throw Error(ErrorKind::kUsage, "rows", fmt::format("{} is odd", rows),
                "this kind has two halves of rows");
  // A matrix entry, its limbs, and the text that it will become.
  const double bytes = static_cast<double>(rows) * (static_cast<double>(rows) + 1) *
                       (64 + 2 * static_cast<double>(bits) / 3);
  if (bytes > static_cast<double>(available_memory()))
    throw Error(ErrorKind::kMemory, "rows",
                fmt::format("{} rows of {} bits need {:.3g} GiB", rows, bits, bytes / 0x1p30),
                "take fewer rows");
  Generator generator(rows, bits, seed);
  switch (kind) {
    case BasisKind::kUniform:
      return generator.uniform();
    case BasisKind::kKnapsack:
      return generator.knapsack();
    case BasisKind::kGoldsteinMayer:
      return generator.goldstein_mayer();
    default:
      return generator.qary(kind == BasisKind::kNtru);
  }
}

}  // namespace cllm::lattice
