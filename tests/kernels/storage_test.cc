// The conversions between fp32 and the 16-bit storage types: every bit pattern widened, and
// narrowed from every halfway point and its neighbours, against arithmetic in double.
#include "kernels/storage.h"

#include <gtest/gtest.h>

#include <cmath>

#include "testing_storage.h"
#include "testing_tables.h"

namespace cllm::testing {
namespace {

constexpr size_t kPatterns = 65536;

template <class S>
class Narrowing : public ::testing::Test {};
using HalfStorages = ::testing::Types<kernels::Bf16, kernels::Fp16>;
TYPED_TEST_SUITE(Narrowing, HalfStorages);

template <class S>
std::vector<S> every_pattern() {
  std::vector<S> all;
  for (size_t i = 0; i < kPatterns; ++i)
    all.push_back({static_cast<uint16_t>(i)});
  return all;
}

float float_of(uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}

// VCVTNEPS2BF16 takes fp32 subnormals, which are those of bf16 too, for zero.
template <class S>
bool flushes_subnormals(const kernels::Table& table) {
  return kernels::kStorageOf<S> == kernels::Storage::kBf16 &&
         std::string(table.name) == "avx512_bf16";
}

// Every number of S, the points halfway to the next in size and the floats on both sides of them,
// infinities, NaNs, fp32 subnormals, and random bits.
template <class S>
std::vector<float> hard_cases() {
  std::vector<float> x = {float_of(0x7f800001),
                          float_of(0xffffffff),
                          float_of(1),
                          float_of(0x80000001),
                          float_of(0x7f7fffff),
                          float_of(0xff7fffff),
                          65519.99f,
                          65520.0f,
                          -65536.0f};
  for (const S s : every_pattern<S>()) {
    const S next = {static_cast<uint16_t>(s.bits + 1)};
    const double low = value_of(s), high = value_of(next);
    x.push_back(static_cast<float>(low));
    if (!std::isfinite(low) || (s.bits & 0x7fff) == 0x7fff) continue;
    const double step = low - value_of(S{static_cast<uint16_t>(s.bits - 1)});
    const double middle = std::isfinite(high) ? (low + high) / 2 : low + step / 2;
    const auto halfway = static_cast<float>(middle);
    if (static_cast<double>(halfway) != middle) continue;  // below the floats themselves
    x.insert(x.end(),
             {halfway, std::nextafter(halfway, 0.0f), std::nextafter(halfway, 2 * halfway)});
  }
  const Philox source(1, RandomStream::kTest);
  for (uint64_t i = 0; i < 200000; ++i)
    x.push_back(float_of(static_cast<uint32_t>(source.below(uint64_t{1} << 32, 0, i))));
  return x;
}

// How many of the hard cases narrow(n, x, out) rounds wrongly.
template <class S, class Narrow>
int wrong_roundings(bool flushes, Narrow narrow) {
  const std::vector<float> x = hard_cases<S>();
  std::vector<S> y(x.size());
  narrow(static_cast<int64_t>(x.size()), x.data(), y.data());
  int wrong = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const bool gone = flushes && std::fpclassify(x[i]) == FP_SUBNORMAL;
    const double expected = gone ? 0 : nearest<S>(static_cast<double>(x[i]));
    const double actual = value_of(y[i]);
    const bool right =
        std::isnan(x[i]) ? std::isnan(actual) : actual == expected || actual == -expected;
    wrong += !(right && std::signbit(x[i]) == ((y[i].bits & 0x8000) != 0));
  }
  return wrong;
}

TYPED_TEST(Narrowing, IsToNearestEven) {
  using S = TypeParam;
  for_each_table([](const kernels::Table& table) {
    EXPECT_EQ(wrong_roundings<S>(flushes_subnormals<S>(table), table.of<S>().rows.narrow), 0);
  });
}

// The check above must refuse truncation, rounding of halves away from zero, and a NaN made
// infinite by it.
TYPED_TEST(Narrowing, TruncationWouldBeSeen) {
  using S = TypeParam;
  const auto truncate = [](int64_t n, const float* x, S* out) {
    for (int64_t i = 0; i < n; ++i) {
      const double rounded = nearest<S>(static_cast<double>(x[i]));
      out[i] = std::isnan(rounded) ? S{0x7fff} : stored<S>(x[i]);
      if (std::abs(rounded) > std::abs(static_cast<double>(x[i]))) --out[i].bits;
    }
  };
  EXPECT_GT(wrong_roundings<S>(false, truncate), 60000);
  const auto away = [](int64_t n, const float* x, S* out) {
    for (int64_t i = 0; i < n; ++i)
      out[i] = std::isnan(x[i]) ? S{0x7fff} : stored<S>(std::nextafter(x[i], 2 * x[i]));
  };
  EXPECT_GT(wrong_roundings<S>(false, away), 30000);
}

TYPED_TEST(Narrowing, UndoesWideningOfEveryPattern) {
  using S = TypeParam;
  const std::vector<S> all = every_pattern<S>();
  constexpr uint16_t kQuiet = 1 << (StorageFormat<S>::kFraction - 1);
  for_each_table([&](const kernels::Table& table) {
    std::vector<float> wide(kPatterns);
    table.of<S>().rows.widen(kPatterns, all.data(), wide.data());
    std::vector<S> back(kPatterns);
    table.of<S>().rows.narrow(kPatterns, wide.data(), back.data());
    for (size_t i = 0; i < kPatterns; ++i) {
      const double value = value_of(all[i]);
      uint16_t expected = all[i].bits;
      if (std::isnan(value)) {
        ASSERT_TRUE(std::isnan(wide[i])) << i;
        expected = static_cast<uint16_t>(expected | kQuiet);
      } else {
        ASSERT_EQ(static_cast<double>(wide[i]), value) << i;
        ASSERT_EQ(std::signbit(wide[i]), (all[i].bits & 0x8000) != 0) << i;
      }
      if (flushes_subnormals<S>(table) && std::fpclassify(wide[i]) == FP_SUBNORMAL)
        expected &= 0x8000;
      ASSERT_EQ(back[i].bits, expected) << i;
    }
  });
}

// Spans of every length and misalignment, nothing written outside; fp32 "narrows" to itself.
template <class S>
class Conversion : public ::testing::Test {};
TYPED_TEST_SUITE(Conversion, Storages);

TYPED_TEST(Conversion, ReachesEveryElementAndNoOther) {
  using S = TypeParam;
  for_each_table([](const kernels::Table& table) {
    for (const int64_t n : lengths_for(table))
      for (const size_t offset : {0, 1, 3}) {
        SCOPED_TRACE("n=" + std::to_string(n) + " offset=" + std::to_string(offset));
        const auto x = random_vector(static_cast<size_t>(n), 1);
        const auto expected = floats_of(stored<S>(x));
        StorageSpan<float> wide(x, offset);
        StorageSpan<S> narrow(std::vector<float>(x.size(), 1.0f), offset);
        table.of<S>().rows.narrow(n, wide.data(), narrow.data());
        EXPECT_TRUE(same_bits(narrow.values(), expected));
        table.of<S>().rows.widen(n, narrow.data(), wide.data());
        EXPECT_TRUE(same_bits(wide.values(), expected));
        EXPECT_TRUE(narrow.intact() && wide.intact());
      }
  });
}

}  // namespace
}  // namespace cllm::testing
