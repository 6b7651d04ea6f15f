#include "cli/output.h"

#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cllm::cli {
namespace {

constexpr size_t kBufferBytes = size_t{64} << 10;

}  // namespace

void Output::write(std::string_view text) {
  buffer_ += text;
  if (buffer_.size() >= kBufferBytes) flush();
}

void Output::json(const nlohmann::ordered_json& document) {
  write(document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  write("\n");
}

void Output::flush() {
  // Emptied first: after a failure there is nothing left to try again.
  const std::string text = std::exchange(buffer_, {});
  for (size_t done = 0; done < text.size();) {
    const ssize_t written = ::write(descriptor_, text.data() + done, text.size() - done);
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno == EPIPE) {
      throw BrokenPipe();
    } else if (errno != EINTR) {
      throw Error(ErrorKind::kRuntime, "standard output", "cannot write: " + errno_text(),
                  "free space, or send it elsewhere");
    }
  }
}

bool Output::is_terminal() const {
  return ::isatty(descriptor_) == 1;
}

}  // namespace cllm::cli
