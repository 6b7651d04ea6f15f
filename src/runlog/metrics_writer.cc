#include "runlog/metrics_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"

namespace cllm {
namespace {

// 500 bytes on the stack, more than a step or eval record can need.
using Line = fmt::memory_buffer;

void add_number(Line& line, std::string_view key, double value) {
  const auto out = std::back_inserter(line);
  if (std::isfinite(value))
    fmt::format_to(out, ",\"{}\":{}", key, value);
  else if (std::isnan(value))
    fmt::format_to(out, ",\"{}\":\"NaN\"", key);
  else
    fmt::format_to(out, ",\"{}\":\"{}Infinity\"", key, value < 0 ? "-" : "");
}

std::string_view end_line(Line& line) {
  line.push_back('}');
  line.push_back('\n');
  return {line.data(), line.size()};
}

[[noreturn]] void fail_write(const fs::path& path, int error) {
  errno = error;
  throw Error(ErrorKind::kRuntime, path.string(), "cannot write: " + errno_text(),
              "free some space or check the permissions, then `cllm resume`");
}

}  // namespace

MetricsWriter::MetricsWriter(const RunFolder& folder) : path_(folder.metrics()) {
  descriptor_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_write(path_, errno);
}

MetricsWriter MetricsWriter::open_for_resume(const RunFolder& folder, int64_t step) {
  const fs::path path = folder.metrics();
  const std::string text = read_file(path);
  std::string kept;
  std::string_view rest = whole_lines(text);
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t bytes = rest.find('\n') + 1;
    if (record_step(rest.substr(0, bytes - 1), path.string(), number) <= step)
      kept += rest.substr(0, bytes);
    rest.remove_prefix(bytes);
  }
  if (kept != text) write_file(path, kept);
  return MetricsWriter(folder);
}

MetricsWriter::~MetricsWriter() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

MetricsWriter::MetricsWriter(MetricsWriter&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

MetricsWriter& MetricsWriter::operator=(MetricsWriter&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  return *this;
}

void MetricsWriter::write(const StepRecord& record) {
  Line line;
  fmt::format_to(std::back_inserter(line), R"({{"kind":"step","step":{})", record.step);
  add_number(line, "loss", record.loss);
  add_number(line, "learning_rate", record.learning_rate);
  add_number(line, "gradient_norm", record.gradient_norm);
  add_number(line, "tokens_per_second", record.tokens_per_second);
  fmt::format_to(std::back_inserter(line), ",\"tokens\":{}", record.tokens);
  add_number(line, "seconds", record.seconds);
  append(end_line(line));
}

void MetricsWriter::write(const EvalRecord& record) {
  Line line;
  fmt::format_to(std::back_inserter(line), R"({{"kind":"eval","step":{})", record.step);
  add_number(line, "loss", record.loss);
  add_number(line, "perplexity", record.perplexity);
  add_number(line, "bits_per_byte", record.bits_per_byte);
  append(end_line(line));
}

void MetricsWriter::write(const EventRecord& record) {
  using nlohmann::json;
  Line line;
  fmt::format_to(std::back_inserter(line), R"({{"kind":"event","step":{},"text":{})", record.step,
                 json(record.text).dump(-1, ' ', false, json::error_handler_t::replace));
  append(end_line(line));
}

void MetricsWriter::sync() {
  if (::fdatasync(descriptor_) != 0) fail_write(path_, errno);
}

void MetricsWriter::append(std::string_view line) {
  const off_t before = ::lseek(descriptor_, 0, SEEK_END);
  size_t done = 0;
  while (done < line.size()) {
    const ssize_t written = ::write(descriptor_, line.data() + done, line.size() - done);
    if (written >= 0) {
      done += static_cast<size_t>(written);
    } else if (errno != EINTR) {
      const int error = errno;
      // A later record must not be glued to a torn one. If this fails too, resume cuts the line.
      if (::ftruncate(descriptor_, before) != 0) fail_write(path_, errno);
      fail_write(path_, error);
    }
  }
}

}  // namespace cllm
