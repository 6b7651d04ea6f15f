#include "base/terminal.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <string>

#include "base/pseudo_terminal.h"

namespace cllm {
namespace {

// Sets the variables a terminal is detected from, and clears those not given.
void set_environment(const std::map<std::string, std::string>& values) {
  for (const char* name : {"TERM", "NO_COLOR", "LC_ALL", "LC_CTYPE", "LANG"})
    ::unsetenv(name);
  for (const auto& [name, value] : values)
    ::setenv(name.c_str(), value.c_str(), 1);
}

TEST(Terminal, ATtyIsInteractiveAndColored) {
  const PseudoTerminal pair(97);
  set_environment({{"TERM", "xterm"}, {"LANG", "de_DE.UTF-8"}});
  const Terminal terminal = Terminal::detect(pair.descriptor(), ColorChoice::kAuto);
  EXPECT_TRUE(terminal.interactive);
  EXPECT_TRUE(terminal.color);
  EXPECT_TRUE(terminal.utf8);
  EXPECT_EQ(terminal.width(), 97);
  EXPECT_FALSE(Terminal::detect(pair.descriptor(), ColorChoice::kNever).color);
}

TEST(Terminal, EnvironmentTakesColorAway) {
  const PseudoTerminal pair(80);
  set_environment({{"TERM", "xterm"}, {"NO_COLOR", "1"}});
  EXPECT_TRUE(Terminal::detect(pair.descriptor(), ColorChoice::kAuto).interactive);
  EXPECT_FALSE(Terminal::detect(pair.descriptor(), ColorChoice::kAuto).color);
  EXPECT_TRUE(Terminal::detect(pair.descriptor(), ColorChoice::kAlways).color);
  set_environment({{"TERM", "xterm"}, {"NO_COLOR", ""}});
  EXPECT_TRUE(Terminal::detect(pair.descriptor(), ColorChoice::kAuto).color);
  for (const char* kind : {"dumb", ""}) {
    set_environment({{"TERM", kind}});
    EXPECT_FALSE(Terminal::detect(pair.descriptor(), ColorChoice::kAuto).interactive);
    EXPECT_FALSE(Terminal::detect(pair.descriptor(), ColorChoice::kAuto).color);
  }
}

TEST(Terminal, AFileIsNeitherInteractiveNorColored) {
  const int file = ::open("/dev/null", O_WRONLY);
  set_environment({{"TERM", "xterm"}});
  const Terminal terminal = Terminal::detect(file, ColorChoice::kAuto);
  EXPECT_FALSE(terminal.interactive);
  EXPECT_FALSE(terminal.color);
  EXPECT_EQ(terminal.width(), 80);
  EXPECT_TRUE(Terminal::detect(file, ColorChoice::kAlways).color);
  ::close(file);
}

TEST(Terminal, TheFirstLocaleVariableThatIsSetDecides) {
  const auto utf8 = [](const std::map<std::string, std::string>& values) {
    set_environment(values);
    return Terminal::detect(2, ColorChoice::kNever).utf8;
  };
  EXPECT_TRUE(utf8({{"LC_ALL", "C.utf8"}, {"LANG", "C"}}));
  EXPECT_FALSE(utf8({{"LC_ALL", "C"}, {"LANG", "C.UTF-8"}}));
  EXPECT_TRUE(utf8({{"LC_ALL", ""}, {"LC_CTYPE", "en_US.UTF-8"}}));
  EXPECT_FALSE(utf8({}));
  EXPECT_FALSE(utf8({{"LANG", "C.UTF-8"}, {"TERM", "linux"}}));
}

TEST(Terminal, WritingToAClosedPlaceIsHarmless) {
  Terminal terminal;
  terminal.descriptor = -1;
  terminal.write("lost");
}

}  // namespace
}  // namespace cllm
