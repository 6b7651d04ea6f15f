#include "data/source.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

constexpr size_t kLongest = size_t{256} << 20;
constexpr const char* kStandardInput = "standard input";

[[noreturn]] void fail_read(const std::string& name) {
  throw Error(ErrorKind::kData, name, "cannot read: " + errno_text(),
              "check the path and its permissions");
}

// read() that survives signals; 0 at the end.
size_t read_some(int descriptor, char* out, size_t bytes, const std::string& name) {
  for (;;) {
    const ssize_t got = ::read(descriptor, out, bytes);
    if (got >= 0) return static_cast<size_t>(got);
    if (errno == EINTR) continue;
    fail_read(name);
  }
}

// The `text` of a JSONL line; an Error that begins with `where` otherwise.
std::string text_field(std::string_view line, const std::string& where) {
  const char* const hint = "each line is one object such as {\"text\": \"...\"}";
  const auto value = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
  if (value.is_discarded()) throw Error(ErrorKind::kData, where, "not valid JSON", hint);
  const auto field = value.is_object() ? value.find("text") : value.end();
  if (field == value.end())
    throw Error(ErrorKind::kData, where, "the line has no field \"text\"", hint);
  if (!field->is_string())
    throw Error(ErrorKind::kData, where, "the field \"text\" is not a string", hint);
  return field->get<std::string>();
}

bool is_hidden(const fs::path& path) {
  return path.filename().native().starts_with('.');
}

bool is_text_name(const fs::path& path) {
  const fs::path extension = path.extension();
  return extension == ".txt" || extension == ".text" || extension == ".md" || extension == ".jsonl";
}

TextSource file_source(const fs::path& path) {
  if (::access(path.c_str(), R_OK) != 0) fail_read(path.string());
  TextSource source{path, TextSource::Format::kText, 0};
  if (path.extension() == ".jsonl") source.format = TextSource::Format::kJsonl;
  std::error_code pipe;  // has no size
  const uintmax_t bytes = fs::file_size(path, pipe);
  if (!pipe) source.bytes = bytes;
  return source;
}

void add_file(const fs::path& path, std::vector<TextSource>& sources) {
  const fs::path extension = path.extension();
  if (extension == ".bin" || extension == ".tok")
    throw Error(ErrorKind::kData, path.string(), "is a token file, not text",
                "give token files alone, without text beside them");
  sources.push_back(file_source(path));
  std::error_code unreadable;
  if (fs::is_regular_file(path, unreadable) && sources.back().bytes == 0)
    throw Error(ErrorKind::kData, path.string(), "the file is empty", "give a file with text");
}

void add_folder(const fs::path& folder, std::vector<TextSource>& sources) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::recursive_directory_iterator entry(folder, error), end; !error && entry != end;
       entry.increment(error)) {
    const fs::path& path = entry->path();
    std::error_code broken_link;
    if (is_hidden(path))
      entry.disable_recursion_pending();
    else if (is_text_name(path) && fs::is_regular_file(path, broken_link))
      files.push_back(path);
  }
  if (error)
    throw Error(ErrorKind::kData, folder.string(), "cannot read the folder: " + error.message(),
                "check the permissions of the folder and what is in it");
  std::ranges::sort(files);
  const size_t before = sources.size();
  for (const fs::path& path : files) {
    TextSource source = file_source(path);
    if (source.bytes > 0) sources.push_back(std::move(source));
  }
  if (sources.size() == before)
    throw Error(ErrorKind::kData, folder.string(),
                "the folder has no text: no .txt, .text, .md or .jsonl file that is not empty",
                "name the files one by one if they are called otherwise");
}

}  // namespace

std::vector<TextSource> find_sources(const std::vector<std::string>& paths) {
  std::vector<TextSource> sources;
  for (const std::string& path : paths) {
    if (path == "-") {
      if (std::ranges::find(sources, fs::path("-"), &TextSource::path) != sources.end())
        throw Error(ErrorKind::kUsage, "-", "standard input is given twice", "give it once");
      sources.push_back({path, TextSource::Format::kText, 0});
      continue;
    }
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status))
      throw Error(ErrorKind::kData, path, "cannot read: " + error.message(),
                  "check the path and its permissions");
    if (fs::is_directory(status))
      add_folder(path, sources);
    else
      add_file(path, sources);
  }
  return sources;
}

DocumentStream::DocumentStream(std::vector<TextSource> sources, CutFunction cut, size_t chunk_bytes,
                               int standard_input)
    : sources_(std::move(sources)), cut_(std::move(cut)), standard_input_(standard_input) {
  CHECK(chunk_bytes >= 1);
  buffer_.resize(chunk_bytes);
}

DocumentStream::~DocumentStream() {
  close_source();
}

void DocumentStream::close_source() {
  if (descriptor_ >= 0 && descriptor_ != standard_input_) ::close(descriptor_);
  descriptor_ = -1;
}

uint64_t DocumentStream::bytes_total() const {
  uint64_t total = 0;
  for (const TextSource& source : sources_) {
    if (source.bytes == 0) return 0;
    total += source.bytes;
  }
  return total;
}

bool DocumentStream::open_next_source() {
  if (current_ == sources_.size()) return false;
  const fs::path& path = source().path;
  const bool standard_input = path == "-";
  place_ = TextPlace{standard_input ? kStandardInput : path.string()};
  descriptor_ = standard_input ? standard_input_ : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor_ < 0) fail_read(place_.name);
  begin_ = end_ = 0;
  at_end_ = in_document_ = false;
  return true;
}

bool DocumentStream::next(Chunk& chunk) {
  for (;;) {
    if (descriptor_ < 0 && !open_next_source()) return false;
    if (source().format == TextSource::Format::kJsonl ? next_line(chunk) : next_text(chunk))
      return true;
    close_source();
    ++current_;
  }
}

// Fills the free part of the buffer, after moving what is pending to its front.
void DocumentStream::refill() {
  if (begin_ > 0) std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
  end_ -= begin_;
  begin_ = 0;
  while (end_ < buffer_.size() && !at_end_) {
    const size_t got =
        read_some(descriptor_, buffer_.data() + end_, buffer_.size() - end_, place_.name);
    at_end_ = got == 0;
    end_ += got;
    bytes_read_ += got;
  }
}

void DocumentStream::make_room(const char* what, const char* hint) {
  if (buffer_.size() >= kLongest)
    throw Error(ErrorKind::kData, fmt::format("{}:{}", place_.name, place_.line),
                fmt::format("{} is longer than {} MiB", what, kLongest >> 20), hint);
  buffer_.resize(std::min(2 * buffer_.size(), kLongest));
}

bool DocumentStream::next_text(Chunk& chunk) {
  for (;;) {
    refill();
    const std::string_view ready = pending();
    if (at_end_ && ready.empty() && !in_document_) return false;
    const size_t length = at_end_ || !cut_ ? ready.size() : cut_(ready);
    if (length == 0 && !at_end_) {
      make_room("a stretch of text without white space", "break it into lines");
      continue;
    }
    chunk.text = ready.substr(0, length);
    chunk.ends_document = at_end_;
    chunk.place = place_;
    place_.advance(chunk.text);
    begin_ += length;
    in_document_ = !at_end_;
    return true;
  }
}

bool DocumentStream::next_line(Chunk& chunk) {
  size_t searched = 0;
  for (;;) {
    const size_t newline = pending().find('\n', searched);
    if (newline == std::string_view::npos && !at_end_) {
      searched = pending().size();
      if (searched == buffer_.size()) make_room("the line", "break the text into documents");
      refill();
      continue;
    }
    if (pending().empty()) return false;
    const std::string_view line = pending().substr(0, newline);
    const std::string where = fmt::format("{}:{}", place_.name, place_.line);
    begin_ += std::min(line.size() + 1, pending().size());
    ++place_.line;
    searched = 0;
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    document_ = text_field(line, where);
    if (document_.empty()) continue;
    chunk = {document_, true, TextPlace{where}};
    return true;
  }
}

void spool_input(int descriptor, const fs::path& target, const std::function<void()>& poll) {
  AtomicFile file(target);
  std::vector<char> buffer(size_t{1} << 20);
  for (;;) {
    if (poll) poll();
    pollfd ready{descriptor, POLLIN, 0};
    const int count = poll ? ::poll(&ready, 1, 100) : 1;
    if (count == 0 || (count < 0 && errno == EINTR)) continue;
    const size_t got = read_some(descriptor, buffer.data(), buffer.size(), kStandardInput);
    if (got == 0) break;
    file.write(buffer.data(), got);
  }
  if (file.size() == 0)
    throw Error(ErrorKind::kData, kStandardInput, "is empty", "pipe a text into the command");
  file.commit();
}

}  // namespace cllm
