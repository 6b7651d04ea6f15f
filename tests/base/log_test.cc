#include "base/log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "base/pseudo_terminal.h"

namespace cllm {
namespace {

// A log whose output the test reads back.
struct Captured {
  explicit Captured(LogLevel level, LogFormat format = LogFormat::kPlain, bool interactive = false,
                    bool color = false)
      : pair(80), log({pair.descriptor(), interactive, color, false}, level, format) {}
  std::string text() const { return pair.read_all(); }
  PseudoTerminal pair;
  Log log;
};

void say_everything(Log& log) {
  log.verbose("details");
  log.info("fact");
  log.warn("doubt");
  log.error("a.toml:1:2: wrong; do right");
}

TEST(Log, TheLevelDecidesWhatIsShown) {
  Captured quiet(LogLevel::kQuiet), normal(LogLevel::kNormal), verbose(LogLevel::kVerbose);
  for (Captured* captured : {&quiet, &normal, &verbose})
    say_everything(captured->log);
  const std::string always = "warning: doubt\ncllm: a.toml:1:2: wrong; do right\n";
  EXPECT_EQ(quiet.text(), always);
  EXPECT_EQ(normal.text(), "fact\n" + always);
  EXPECT_EQ(verbose.text(), "details\nfact\n" + always);
}

TEST(Log, AMessageIsOneLineWithoutControlCharacters) {
  Captured captured(LogLevel::kNormal);
  captured.log.info("a\nb\x1b[31mc");
  EXPECT_EQ(captured.text(), "a b [31mc\n");
}

TEST(Log, ColorMarksOnlyThePrefix) {
  Captured captured(LogLevel::kQuiet, LogFormat::kPlain, false, true);
  captured.log.warn("doubt");
  EXPECT_EQ(captured.text(), "\x1b[33mwarning:\x1b[0m doubt\n");
}

TEST(Log, JsonLinesParseAndCarryFields) {
  Captured captured(LogLevel::kNormal, LogFormat::kJson, true, true);
  captured.log.info("step", {{"step", 3}, {"loss", 2.5}});
  captured.log.warn("bad \xff byte\n");
  captured.log.status("never shown");
  std::istringstream lines(captured.text());
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  const auto first = nlohmann::json::parse(line);
  EXPECT_EQ(first["level"], "info");
  EXPECT_EQ(first["message"], "step");
  EXPECT_EQ(first["step"], 3);
  EXPECT_EQ(first["loss"], 2.5);
  EXPECT_EQ(first["time"].get<std::string>().size(), 20U);
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(nlohmann::json::parse(line)["message"], "bad \uFFFD byte\n");
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(Log, MessagesStandAboveTheStatusLine) {
  Captured captured(LogLevel::kNormal, LogFormat::kPlain, true);
  ASSERT_TRUE(captured.log.shows_status());
  captured.log.status("50%");
  EXPECT_EQ(captured.text(), "\r\x1b[K50%");
  captured.log.status("50%");
  EXPECT_EQ(captured.text(), "") << "nothing changed";
  captured.log.info("fact");
  EXPECT_EQ(captured.text(), "\r\x1b[Kfact\n50%");
  captured.log.status("");
  EXPECT_EQ(captured.text(), "\r\x1b[K");
  captured.log.info("fact");
  EXPECT_EQ(captured.text(), "fact\n");
}

TEST(Log, NoStatusOffTheTerminalOrWhenQuiet) {
  Captured file(LogLevel::kNormal), quiet(LogLevel::kQuiet, LogFormat::kPlain, true);
  for (Captured* captured : {&file, &quiet}) {
    captured->log.status("50%");
    EXPECT_FALSE(captured->log.shows_status());
    EXPECT_EQ(captured->text(), "");
  }
}

TEST(Log, LinesOfThreadsDoNotMix) {
  Captured captured(LogLevel::kNormal);
  std::vector<std::jthread> threads;
  for (int thread = 0; thread < 4; ++thread)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i)
        captured.log.info("0123456789");
    });
  threads.clear();
  std::string expected;
  for (int i = 0; i < 80; ++i)
    expected += "0123456789\n";
  EXPECT_EQ(captured.text(), expected);
}

}  // namespace
}  // namespace cllm
