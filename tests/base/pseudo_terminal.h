// A terminal for tests: the pair of a pseudo-terminal, of which the program under test gets one end
// and the test reads the other.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <unistd.h>

#include <cerrno>
#include <string>

namespace cllm {

class PseudoTerminal {
 public:
  explicit PseudoTerminal(unsigned short width) {
    const winsize size{24, width, 0, 0};
    termios raw{};  // no translation of line ends
    if (::openpty(&outer_, &inner_, nullptr, &raw, &size) != 0)
      ADD_FAILURE() << "no pseudo-terminal, errno " << errno;
  }
  ~PseudoTerminal() {
    ::close(outer_);
    ::close(inner_);
  }
  PseudoTerminal(const PseudoTerminal&) = delete;
  PseudoTerminal& operator=(const PseudoTerminal&) = delete;

  int descriptor() const { return inner_; }

  // What was written since the last call.
  std::string read_all() const {
    std::string text;
    char buffer[4096];
    pollfd ready{outer_, POLLIN, 0};
    while (::poll(&ready, 1, 0) == 1) {
      const ssize_t got = ::read(outer_, buffer, sizeof buffer);
      if (got <= 0) break;
      text.append(buffer, static_cast<size_t>(got));
    }
    return text;
  }

 private:
  int outer_ = -1;
  int inner_ = -1;
};

}  // namespace cllm
