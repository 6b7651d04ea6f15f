// One file of tokens, memory-mapped. Our own format (.tok), and two that others write: nanoGPT's
// .bin (raw u16) and llm.c's .bin (header of 256 int32, then u16). All little-endian.
//
// .tok, version 1: a ShardHeader; the tokens (u16 if the vocabulary fits, else u32); zeros up to a
// multiple of 8; the document starts (u64, index of the first token of each document that begins
// in this shard). A document may go on in the next shard.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/file.h"
#include "text/token.h"

struct XXH64_state_s;

namespace cllm {

struct ShardHeader {
  char magic[8];         // "cllm-tok"
  uint32_t version;      // 1
  uint32_t token_bytes;  // 2 or 4
  uint64_t tokens;
  uint64_t documents;
  uint64_t vocabulary_size;
  uint64_t vocabulary_hash;  // Tokenizer::hash
  uint64_t payload_hash;     // XXH64, seed 0, of everything behind the header
  uint64_t header_hash;      // XXH64, seed 0, of the 56 bytes before this field
};
static_assert(sizeof(ShardHeader) == 64);

// Writes a .tok file front to back; it appears complete on commit() or not at all. Memory: a buffer
// and 8 bytes per document of the shard. Error (kRuntime) as of AtomicFile. Not thread-safe.
class ShardWriter {
 public:
  ShardWriter(const fs::path& target, int vocabulary_size, uint64_t vocabulary_hash);
  ~ShardWriter();

  // The next token is the first of a document.
  void begin_document() { starts_.push_back(header_.tokens); }
  // 0 <= token < vocabulary_size, else a failed CHECK.
  void append(std::span<const Token> tokens);

  int64_t tokens() const { return static_cast<int64_t>(header_.tokens); }
  int64_t documents() const { return static_cast<int64_t>(starts_.size()); }
  ShardHeader commit();

 private:
  void write_payload(const void* data, size_t bytes);
  template <class Stored>
  void append_as(std::span<const Token> tokens);

  struct FreeHash {
    void operator()(XXH64_state_s* state) const;
  };
  AtomicFile file_;
  ShardHeader header_{};
  std::unique_ptr<XXH64_state_s, FreeHash> hash_;
  std::vector<uint64_t> starts_;
};

// A read-only shard; movable. Thread-safe after construction. The file must not be changed while it
// is mapped.
class TokenShard {
 public:
  // Told by content: our magic, llm.c's magic, else raw u16. Checks magic, version, header hash and
  // sizes, at O(1) cost; the payload is only checked by verify(). Error (kData) names the file.
  static TokenShard open(const fs::path& path);
  // Tokens in memory, one document.
  static TokenShard in_memory(std::vector<Token> tokens);

  // Reads the whole shard (about 3 GB/s when it is cached): payload hash, document starts, and that
  // every id is below vocabulary_size. Error (kData) names the file and the place.
  void verify(int64_t vocabulary_size) const;

  int64_t size() const { return size_; }
  // Document starts that lie in this shard; empty for formats without them.
  std::span<const uint64_t> document_starts() const { return starts_; }
  // Null unless .tok.
  const ShardHeader* header() const { return header_; }
  const fs::path& path() const { return path_; }
  // out[0, count) = tokens [begin, begin + count), which must lie inside.
  void copy(int64_t begin, int64_t count, Token* out) const;
  // Asks for the pages that copy() would read; see MappedFile::prefetch.
  void prefetch(int64_t begin, int64_t count) const;

 private:
  TokenShard() = default;
  void read_own_header();
  void read_llmc_header();
  void read_raw();

  fs::path path_;
  std::optional<MappedFile> file_;
  std::vector<Token> memory_;
  const ShardHeader* header_ = nullptr;
  const std::byte* tokens_ = nullptr;
  int token_bytes_ = 4;
  int64_t size_ = 0;
  std::span<const uint64_t> starts_;
};

}  // namespace cllm
