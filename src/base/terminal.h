// What the destination of messages can do: a terminal that is rewritten in place, or a file.
#pragma once

#include <string_view>

namespace cllm {

enum class ColorChoice { kAuto, kAlways, kNever };

struct Terminal {
  int descriptor = 2;
  bool interactive = false;  // a TTY that can rewrite its line (TERM is neither unset nor "dumb")
  bool color = false;
  bool utf8 = false;  // the locale says UTF-8 and the terminal has the block characters

  // Reads TERM, NO_COLOR (any value but the empty one turns colour off) and LC_ALL/LC_CTYPE/LANG.
  static Terminal detect(int descriptor, ColorChoice choice);

  // Columns now; 80 if unknown.
  int width() const;
  // All of text; what cannot be written is dropped, since there is no place left to complain.
  void write(std::string_view text) const;
};

}  // namespace cllm
