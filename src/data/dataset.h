// A sequence of tokens spread over shards, seen as one: opening, checking, random access, document
// boundaries, and the split into training and validation text.
//
// A prepared folder holds tokens-00000.tok, tokens-00001.tok, ... and dataset.json, which lists
// them with their checksums and is written last: without it the folder is incomplete. Documents are
// separated by one end-of-text token, which belongs to the document before it; none follows the
// last.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/shard.h"
#include "text/tokenizer.h"

namespace cllm {

class TokenDataset;

// A stretch of a dataset. Cheap to copy; the dataset must outlive it and stay where it is.
class TokenView {
 public:
  TokenView() = default;
  TokenView(const TokenDataset& dataset, int64_t begin, int64_t count);

  int64_t size() const { return count_; }
  int64_t begin() const { return begin_; }
  // out[0, count) = tokens [begin, begin + count) of the view. No allocation.
  void copy(int64_t begin, int64_t count, Token* out) const;
  // Asks the system to have them in memory when copy() comes; see MappedFile::prefetch.
  void prefetch(int64_t begin, int64_t count) const;

 private:
  const TokenDataset* dataset_ = nullptr;
  int64_t begin_ = 0;
  int64_t count_ = 0;
};

// Read-only after construction, thread-safe.
class TokenDataset {
 public:
  // A prepared folder. Cost: O(shards), no pass over the tokens (see verify). Error (kData) if it
  // is incomplete or damaged.
  static TokenDataset open(const fs::path& folder);
  // Token files of nanoGPT, llm.c or single .tok files, in the order given. They carry no proof of
  // their vocabulary, so every id is checked: one pass. Error (kData) names the file and the place.
  static TokenDataset from_files(const std::vector<fs::path>& files, int vocabulary_size);
  // Tokens in memory as one document, 0 <= token < vocabulary_size.
  static TokenDataset from_tokens(std::vector<Token> tokens, int vocabulary_size);

  // Reads everything once: checksums, document starts and ids. Error (kData).
  void verify() const;
  // Error (kData) if a shard was made with another vocabulary, or ids may not fit into this one.
  void require_vocabulary(const Tokenizer& tokenizer) const;

  int64_t size() const { return begins_.back(); }  // tokens
  int64_t vocabulary_size() const { return vocabulary_size_; }
  // Bytes of text the tokens were made from; 0 if unknown.
  int64_t text_bytes() const { return text_bytes_; }

  // out[0, count) = tokens [begin, begin + count), which must lie inside. No allocation.
  void copy(int64_t begin, int64_t count, Token* out) const;
  // Asks the system to have them in memory when copy() comes; see MappedFile::prefetch.
  void prefetch(int64_t begin, int64_t count) const;
  TokenView view(int64_t begin, int64_t count) const { return {*this, begin, count}; }
  TokenView all() const { return view(0, size()); }

  // At least 1 unless the dataset is empty; formats without boundaries are one document per file.
  int64_t documents() const { return first_documents_.back(); }
  // First token of a document, 0 <= document < documents(). O(log shards).
  int64_t document_start(int64_t document) const;

 private:
  explicit TokenDataset(std::vector<TokenShard> shards, int64_t vocabulary_size);
  size_t shard_of(int64_t token) const;
  // part(shard, first token in it, count) for each shard that [begin, begin + count) touches.
  template <class Part>
  void for_each_part(int64_t begin, int64_t count, Part part) const;

  std::vector<TokenShard> shards_;
  std::vector<int64_t> begins_;           // first token of each shard, then the total
  std::vector<int64_t> first_documents_;  // first document of each shard, then the total
  int64_t vocabulary_size_;
  int64_t text_bytes_ = 0;
};

// dataset.json of a prepared folder; `shards` in order.
struct ShardEntry {
  std::string file;
  ShardHeader header;
};
void write_dataset_index(const fs::path& folder, const std::vector<ShardEntry>& shards,
                         int64_t text_bytes);
inline constexpr const char* kDatasetIndex = "dataset.json";

// True for names that are token files (.bin, .tok) and for prepared folders.
bool is_token_file(const fs::path& path);
bool is_dataset_folder(const fs::path& path);

struct TokenSplit {
  TokenView train;
  TokenView validation;
};
// By position: the first floor(size · (1 - fraction)) tokens train, the rest validates (nanoGPT's
// int(0.9 * n) for 0.1). Error (kUsage) unless 0 <= fraction < 1.
TokenSplit split_by_position(const TokenDataset& dataset, double validation_fraction = 0.1);

}  // namespace cllm
