#include "cli/input.h"

#include <stdlib.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "base/error.h"

namespace cllm::cli {
namespace {

std::string read_standard_input() {
  std::string text;
  std::array<char, 1 << 16> buffer;
  for (;;) {
    const ssize_t bytes = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (bytes > 0) {
      text.append(buffer.data(), static_cast<size_t>(bytes));
    } else if (bytes == 0) {
      return text;
    } else if (errno != EINTR) {
      throw Error(ErrorKind::kData, "standard input", "cannot read: " + errno_text(), "");
    }
  }
}

}  // namespace

std::string read_text(const std::string& path) {
  return path == "-" ? read_standard_input() : read_file(path);
}

std::string unescaped(std::string_view text, const std::string& where) {
  constexpr std::string_view kNames = "ntr\\\"'", kValues = "\n\t\r\\\"'";
  std::string plain;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '\\') {
      plain += text[i];
      continue;
    }
    ++i;
    const size_t known = i < text.size() ? kNames.find(text[i]) : std::string_view::npos;
    if (known == std::string_view::npos)
      throw Error(ErrorKind::kUsage, where,
                  fmt::format("unknown escape '{}'", text.substr(i - 1, 2)),
                  "the escapes are \\n \\t \\r \\\\ \\\" \\'");
    plain += kValues[known];
  }
  return plain;
}

ScratchFolder::ScratchFolder() {
  std::string name = (fs::temp_directory_path() / "cllm-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr)
    throw Error(ErrorKind::kRuntime, name, "cannot create a temporary folder: " + errno_text(),
                "set TMPDIR to a folder that can be written");
  path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;  // there is nobody left to tell
  fs::remove_all(path_, ignored);
}

}  // namespace cllm::cli
