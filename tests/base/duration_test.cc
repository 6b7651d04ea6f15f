#include "base/duration.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace cllm {
namespace {

TEST(ParseDuration, ReadsNumbersWithUnits) {
  EXPECT_EQ(parse_duration("90", "x"), 90);
  EXPECT_EQ(parse_duration("0.5s", "x"), 0.5);
  EXPECT_EQ(parse_duration("10m", "x"), 600);
  EXPECT_EQ(parse_duration("1.5h", "x"), 5400);
  EXPECT_EQ(parse_duration("2d", "x"), 172800);
}

TEST(ParseDuration, RefusesEverythingElse) {
  for (const char* text : {"", "m", "0", "0s", "-3m", "10 m", "10x", "1m30", "nan", "inf", "1e400h",
                           "1e308d", "ten"}) {
    try {
      parse_duration(text, "--budget");
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 2);
      EXPECT_THAT(error.what(), ::testing::HasSubstr("--budget"));
    }
  }
}

}  // namespace
}  // namespace cllm
