// Helpers of the text tests: a folder of one's own, small vocabularies, random bytes.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/philox.h"
#include "text/tokenizer.h"

namespace cllm {

// A folder that no other test or process uses; removed at the end.
class TestFolder {
 public:
  TestFolder() {
    std::string name = (fs::temp_directory_path() / "cllm-text-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp: " + errno_text());
    path_ = name;
  }
  ~TestFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  fs::path operator/(std::string_view name) const { return path_ / name; }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline std::vector<Token> encode(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<Token> tokens;
  tokenizer.encode(text, tokens);
  return tokens;
}

// The 256 bytes, each merge's result in order, then <|endoftext|>.
inline BpeParts small_bpe_parts(const std::vector<std::pair<std::string, std::string>>& merges) {
  BpeParts parts;
  for (int byte = 0; byte < 256; ++byte)
    parts.pieces.emplace_back(1, static_cast<char>(byte));
  const auto id = [&](const std::string& piece) {
    for (size_t i = 0; i < parts.pieces.size(); ++i)
      if (parts.pieces[i] == piece) return static_cast<Token>(i);
    return Token{-1};
  };
  for (const auto& [left, right] : merges) {
    const Merge merge{id(left), id(right)};
    if (id(left + right) < 0) parts.pieces.push_back(left + right);
    parts.merges.push_back(merge);
  }
  parts.end_of_text = static_cast<Token>(parts.pieces.size());
  parts.added.push_back({parts.end_of_text, std::string(kEndOfText), true});
  parts.pieces.emplace_back();
  return parts;
}

inline std::string random_bytes(PhiloxSequence& random, size_t count) {
  std::string bytes;
  for (size_t i = 0; i < count; ++i)
    bytes += static_cast<char>(random.below(256));
  return bytes;
}

// Runs something that must throw an Error of this kind; returns its line.
inline std::string error_of(ErrorKind kind, const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(kind)) << error.what();
    EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos) << error.what();
    return error.what();
  }
  ADD_FAILURE() << "no Error was thrown";
  return {};
}

}  // namespace cllm
