#include "number/natural.h"

#include <gtest/gtest.h>

#include "number/number_testing.h"

namespace cllm::number {
namespace {

TEST(Natural, ReadsWhatPeopleType) {
  EXPECT_EQ(parse_natural("0", "N"), 0u);
  EXPECT_EQ(parse_natural("007", "N"), 7u);
  EXPECT_EQ(parse_natural("1e9", "N"), 1000000000u);
  EXPECT_EQ(parse_natural("25E2", "N"), 2500u);
  EXPECT_EQ(parse_natural("18446744073709551615", "N"), ~uint64_t{0});
  EXPECT_EQ(parse_natural("1e19", "N"), 10000000000000000000u);
  EXPECT_EQ(parse_natural("0e99999999999999", "N"), 0u);
}

TEST(Natural, RefusesAnythingElse) {
  for (const char* text : {"", "-1", "+1", " 1", "1 ", "1.5", "1e", "1e-2", "1e+2", "e9", "0x10",
                           "ten", "1,000", "1e9x", "nan"})
    expect_error([&] { parse_natural(text, "LAST"); }, ErrorKind::kUsage, "LAST: '");
  for (const char* text : {"18446744073709551616", "2e19", "1e20", "1e99999999999999999999"})
    expect_error([&] { parse_natural(text, "N"); }, ErrorKind::kUsage, "beyond 2^64 - 1");
  expect_error([] { parse_natural(std::string(1000000, '9'), "N"); }, ErrorKind::kUsage,
               "'999999999999999999999999...'");
  expect_error([] { parse_natural("1\n2", "N"); }, ErrorKind::kUsage, "'1?2'");
}

}  // namespace
}  // namespace cllm::number
