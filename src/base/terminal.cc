#include "base/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>

namespace cllm {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool locale_is_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string locale = environment(name);
    if (locale.empty()) continue;
    for (char& c : locale)
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return locale.find("utf-8") != std::string::npos || locale.find("utf8") != std::string::npos;
  }
  return false;
}

}  // namespace

Terminal Terminal::detect(int descriptor, ColorChoice choice) {
  const std::string kind = environment("TERM");
  Terminal terminal;
  terminal.descriptor = descriptor;
  terminal.interactive = ::isatty(descriptor) == 1 && !kind.empty() && kind != "dumb";
  terminal.color =
      choice == ColorChoice::kAlways ||
      (choice == ColorChoice::kAuto && terminal.interactive && environment("NO_COLOR").empty());
  terminal.utf8 = locale_is_utf8() && kind != "linux";  // the Linux console has no block eighths
  return terminal;
}

int Terminal::width() const {
  winsize size{};
  if (::ioctl(descriptor, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
  return size.ws_col;
}

void Terminal::write(std::string_view text) const {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return;
    text.remove_prefix(static_cast<size_t>(written));
  }
}

}  // namespace cllm
