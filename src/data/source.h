// Text sources: files, folders, JSONL and standard input, handed out as documents in bounded
// chunks. A text file or standard input is one document; a JSONL line is one document. Token files
// (.bin, .tok) are not text: see data/dataset.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "text/tokenizer.h"

namespace cllm {

struct TextSource {
  enum class Format { kText, kJsonl };
  fs::path path;  // "-" is standard input
  Format format = Format::kText;
  uint64_t bytes = 0;  // 0 if unknown (a pipe)
};

// Expands what the user gave. "-" is standard input. A file is taken as it is (.jsonl: JSONL, else
// plain text). A folder gives every .txt, .text, .md and .jsonl file below it, sorted by path;
// hidden files and folders and empty files are left out. Error (kData): a path that does not exist
// or cannot be read, an empty file, a folder without text, a token file, "-" given twice.
std::vector<TextSource> find_sources(const std::vector<std::string>& paths);

struct Chunk {
  std::string_view text;  // valid until the next call; empty only in a document's last chunk
  bool ends_document = false;
  TextPlace place;  // of the text, for messages; a JSONL document's name is "file:line"
};

// The length of a prefix of `text` after which it may be cut, whatever follows; 0: read more first.
// Tokenizer::safe_cut is one; an empty function cuts anywhere.
using CutFunction = std::function<size_t(std::string_view text)>;

// Reads sources once, front to back. A text file comes in chunks of about chunk_bytes, more where
// `cut` finds no place; a JSONL document comes whole. Memory: one chunk and the longest line of a
// JSONL file; a chunk or line above 256 MiB is an Error. Empty documents are skipped. Not
// thread-safe.
class DocumentStream {
 public:
  // standard_input is the descriptor that "-" reads; it is borrowed, not closed.
  explicit DocumentStream(std::vector<TextSource> sources, CutFunction cut = {},
                          size_t chunk_bytes = kDefaultChunk, int standard_input = 0);
  ~DocumentStream();
  DocumentStream(const DocumentStream&) = delete;
  DocumentStream& operator=(const DocumentStream&) = delete;

  static constexpr size_t kDefaultChunk = size_t{1} << 20;

  // The next chunk, or false at the end of the last source. Error (kData): unreadable file; a JSONL
  // line that is not an object with a string `text` (names file:line).
  bool next(Chunk& chunk);

  // Progress in bytes of the sources; the total is 0 if a source's size is unknown.
  uint64_t bytes_read() const { return bytes_read_; }
  uint64_t bytes_total() const;

 private:
  bool open_next_source();
  void close_source();
  bool next_text(Chunk& chunk);
  bool next_line(Chunk& chunk);
  void refill();
  void make_room(const char* what, const char* hint);

  const TextSource& source() const { return sources_[current_]; }
  std::string_view pending() const { return {buffer_.data() + begin_, end_ - begin_}; }

  std::vector<TextSource> sources_;
  CutFunction cut_;
  int standard_input_;
  size_t current_ = 0;  // source that is open, if descriptor_ >= 0
  int descriptor_ = -1;
  bool at_end_ = false;  // of the open source: everything is in the buffer
  bool in_document_ = false;
  std::vector<char> buffer_;  // [begin_, end_) is read and not yet handed out
  size_t begin_ = 0;
  size_t end_ = 0;
  TextPlace place_;  // of begin_
  uint64_t bytes_read_ = 0;
  std::string document_;  // text of the JSONL line handed out
};

// Copies a descriptor (standard input) to a file, for work that needs two passes, such as building
// a vocabulary and then encoding. Bounded memory; complete or absent. Error (kData) if it is empty
// or cannot be read, kRuntime if the file cannot be written. poll() is called before every block
// and ten times a second while there is nothing to read; what it throws ends the work.
void spool_input(int descriptor, const fs::path& target, const std::function<void()>& poll = {});

}  // namespace cllm
