// Texts that the user names on a command line.
#pragma once

#include <string>
#include <string_view>

#include "base/file.h"

namespace cllm::cli {

// The whole file; "-" is standard input. Error (kData).
std::string read_text(const std::string& path);

// \n, \t, \r, \\, \" and \' as the characters they stand for. Error (kUsage), naming `where`, for
// any other escape.
std::string unescaped(std::string_view text, const std::string& where);

// A folder of one's own under the system's folder for temporary files, removed with everything in
// it at the end.
class ScratchFolder {
 public:
  // Error (kRuntime).
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace cllm::cli
