#include "base/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/clock.h"
#include "base/pseudo_terminal.h"

namespace cllm {
namespace {

using testing::HasSubstr;
using testing::Not;

size_t columns(const std::string& text) {
  return static_cast<size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }));
}

TEST(ProgressLine, ShowsShareBarFieldsAndTimeLeft) {
  const ProgressView view{"train", 500, 2000, 0, 60, "loss 2.31"};
  EXPECT_EQ(progress_line(view, 68, false),
            "train  25% [####............] 500/2000 | loss 2.31 | 3 min 00 s left");
  EXPECT_EQ(progress_line(view, 68, true),
            "train  25% ▕████            ▏ 500/2000 · loss 2.31 · 3 min 00 s left");
}

TEST(ProgressLine, TheBarMovesInEighths) {
  const ProgressView view{"x", 1, 16, 0, 1, ""};
  EXPECT_THAT(progress_line(view, 38, true), HasSubstr("▕▋"));
}

TEST(ProgressLine, FitsEveryWidth) {
  for (const bool utf8 : {false, true})
    for (size_t width = 1; width < 140; ++width)
      for (const int64_t done : {0, 1, 777, 2000, 2001}) {
        const ProgressView view{"train", done, 2000, 0, 60, "loss 2.31 · lr 1e-3"};
        const std::string line = progress_line(view, width, utf8);
        EXPECT_LE(columns(line), width);
        if (!line.empty()) {
          EXPECT_NE(static_cast<unsigned char>(line[0]) & 0xc0, 0x80);
        }
      }
}

TEST(ProgressLine, IsFullAtTheEndAndOnlyThen) {
  EXPECT_THAT(progress_line({"x", 1999, 2000, 0, 1, ""}, 60, false), HasSubstr(" 99% ["));
  EXPECT_THAT(progress_line({"x", 2000, 2000, 0, 1, ""}, 60, false), HasSubstr("100% [#"));
  EXPECT_THAT(progress_line({"x", 2000, 2000, 0, 1, ""}, 60, false), Not(HasSubstr(".]")));
}

TEST(ProgressLine, UnknownTotalShowsNoBarAndNoTimeLeft) {
  EXPECT_EQ(progress_line({"read", 7, 0, 0, 5, "3.00 MiB"}, 60, false), "read 7 | 3.00 MiB");
}

TEST(ProgressLine, TimeLeftCountsFromWhereAResumedJobStarted) {
  EXPECT_EQ(seconds_left({"x", 150, 200, 100, 10, ""}), 10.0);
  EXPECT_EQ(seconds_left({"x", 200, 200, 100, 10, ""}), 0.0);
  EXPECT_TRUE(std::isnan(seconds_left({"x", 100, 200, 100, 10, ""})));
  EXPECT_TRUE(std::isnan(seconds_left({"x", 5, 0, 0, 10, ""})));
}

TEST(Progress, IsDrawnAtMostTenTimesASecondAndRemoved) {
  const PseudoTerminal pair(80);
  Log log({pair.descriptor(), true, false, false}, LogLevel::kNormal, LogFormat::kPlain);
  const double start = steady_seconds();
  std::string seen;
  {
    Progress progress(log, "train", 1000);
    for (int64_t step = 0; step < 1000; ++step)
      progress.update(step);
    EXPECT_FALSE(progress.due() && steady_seconds() - start < 0.1);
    seen = pair.read_all();
  }
  const auto drawn = std::ranges::count(seen, '\r');
  EXPECT_GE(drawn, 1);
  EXPECT_LE(static_cast<double>(drawn), 1 + (steady_seconds() - start) / 0.1);
  EXPECT_EQ(pair.read_all(), "\r\x1b[K");
}

TEST(Progress, IsSilentOffTheTerminal) {
  const PseudoTerminal pair(80);
  Log log({pair.descriptor(), false, false, false}, LogLevel::kNormal, LogFormat::kPlain);
  {
    Progress progress(log, "train", 10);
    EXPECT_FALSE(progress.due());
    progress.update(5);
  }
  EXPECT_EQ(pair.read_all(), "");
}

}  // namespace
}  // namespace cllm
