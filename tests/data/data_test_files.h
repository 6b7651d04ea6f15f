// What the tests of the data layer share: a folder with files, the message of an expected Error,
// and texts that are hard to cut.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "temporary_folder.h"

namespace cllm {

class DataTest : public TemporaryFolder {
 protected:
  // Writes a file below the test's folder and returns its path.
  std::string file(const std::string& name, std::string_view text) const {
    const fs::path path = folder_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;  // not write_file: an fsync takes milliseconds
    return path.string();
  }
  std::string at(const std::string& name) const { return (folder_ / name).string(); }

  // The message of the Error that `action` throws, which must be of `kind`; "" if it throws none.
  template <class Action>
  static std::string error_of(ErrorKind kind, Action action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
      return error.what();
    }
    return "";
  }
};

// Words, contractions, runs of ASCII and wide white space, signs and (with `broken`) stray bytes.
inline std::string hard_text(PhiloxSequence& random, size_t pieces, bool broken) {
  static const std::vector<std::string> kPieces = {
      "a",      "the",           "it's",         "we'll",  "'",   "''",   " ",  "  ",     "\n",
      "\n\n\n", "\t ",           " 's",          "42",     "3.5", "(x)",  "!?", "-",      ",",
      "é",      "\u00a0",        "\u3000\u3000", "日本",   "。",  "\r\n", "Ж",  "\u2003", "½",
      "😀",      "<|endoftext|>", "\u0085",       "e\u0301"};
  static const std::vector<std::string> kBroken = {"\xff",     "\xc3", "\xa0",         "\x85",
                                                   "\xe2\x80", "\x80", "\xed\xa0\x80", "\xf0\x9f"};
  std::string text;
  for (size_t i = 0; i < pieces; ++i) {
    const bool stray = broken && random.below(8) == 0;
    const auto& from = stray ? kBroken : kPieces;
    text += from[random.below(from.size())];
  }
  return text;
}

}  // namespace cllm
