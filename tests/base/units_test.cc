#include "base/units.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cllm {
namespace {

TEST(Units, Bytes) {
  EXPECT_EQ(format_bytes(0), "0 B");
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(1023), "1023 B");
  EXPECT_EQ(format_bytes(1024), "1.00 KiB");
  EXPECT_EQ(format_bytes(1536), "1.50 KiB");
  EXPECT_EQ(format_bytes(1024.0 * 1024 - 1), "1.00 MiB") << "not 1024 KiB";
  EXPECT_EQ(format_bytes(3.21 * 1073741824), "3.21 GiB");
  EXPECT_EQ(format_bytes(std::nan("")), "?");
}

TEST(Units, Counts) {
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(7), "7");
  EXPECT_EQ(format_count(999), "999");
  EXPECT_EQ(format_count(1000), "1.00 k");
  EXPECT_EQ(format_count(12345), "12.3 k");
  EXPECT_EQ(format_count(999499), "999 k");
  EXPECT_EQ(format_count(999500), "1.00 M") << "not 1000 k";
  EXPECT_EQ(format_count(124439808), "124 M");
  EXPECT_EQ(format_count(-1500), "-1.50 k");
  EXPECT_EQ(format_count(INFINITY), "?");
}

TEST(Units, Rates) {
  EXPECT_EQ(format_rate(12345, "tokens"), "12.3 k tokens/s");
  EXPECT_EQ(format_rate(0.5123, "steps"), "0.512 steps/s");
  EXPECT_EQ(format_rate(9.996, "steps"), "10.0 steps/s");
  EXPECT_EQ(format_rate(0, "steps"), "0 steps/s");
  EXPECT_EQ(format_rate(std::nan(""), "steps"), "? steps/s");
}

TEST(Units, DurationsRoundWithoutSixties) {
  EXPECT_EQ(format_duration(0), "0 s");
  EXPECT_EQ(format_duration(12e-6), "12 us");
  EXPECT_EQ(format_duration(3.2e-3), "3.20 ms");
  EXPECT_EQ(format_duration(0.9999), "1.0 s");
  EXPECT_EQ(format_duration(12.34), "12.3 s");
  EXPECT_EQ(format_duration(59.94), "59.9 s");
  EXPECT_EQ(format_duration(59.96), "1 min 00 s");
  EXPECT_EQ(format_duration(185), "3 min 05 s");
  EXPECT_EQ(format_duration(3599.6), "1 h 00 min");
  EXPECT_EQ(format_duration(3720), "1 h 02 min");
  EXPECT_EQ(format_duration(86399), "1 d 00 h");
  EXPECT_EQ(format_duration(51 * 3600), "2 d 03 h");
  EXPECT_EQ(format_duration(-3), "-3.0 s");
  EXPECT_EQ(format_duration(std::nan("")), "?");
}

}  // namespace
}  // namespace cllm
