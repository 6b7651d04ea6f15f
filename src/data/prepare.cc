#include "data/prepare.h"

#include <algorithm>
#include <optional>
#include <span>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

// Documents of a shard are held in memory while it is written: 32 MiB of start offsets at most.
constexpr int64_t kShardDocuments = int64_t{4} << 20;

// Writes documents to numbered shards, with end-of-text tokens between them. Destroyed before
// finish(), it removes what it wrote.
class DatasetWriter {
 public:
  DatasetWriter(const fs::path& folder, const Tokenizer& tokenizer, int64_t shard_tokens)
      : folder_(folder), tokenizer_(tokenizer), shard_tokens_(shard_tokens) {
    CHECK(shard_tokens >= 1);
    std::error_code error;
    made_folder_ = !fs::exists(folder, error);
    make_folder(folder);
    remove_old_dataset();
  }
  DatasetWriter(const DatasetWriter&) = delete;
  DatasetWriter& operator=(const DatasetWriter&) = delete;
  ~DatasetWriter() {
    if (finished_) return;
    writer_.reset();
    std::error_code error;
    for (const ShardEntry& shard : closed_)
      fs::remove(folder_ / shard.file, error);
    if (made_folder_) fs::remove(folder_, error);
  }

  // `starts`: these are the first tokens of a document.
  void append(bool starts, std::span<const Token> tokens) {
    if (starts && documents_ > 0 && tokenizer_.end_of_text() >= 0) {
      const Token end = tokenizer_.end_of_text();
      write({&end, 1});
    }
    if (starts) {
      if (writer_ && writer_->documents() >= kShardDocuments) close_shard();
      shard().begin_document();
      ++documents_;
    }
    write(tokens);
  }

  void finish(uint64_t text_bytes) {
    close_shard();
    write_dataset_index(folder_, closed_, static_cast<int64_t>(text_bytes));
    finished_ = true;
  }

  int64_t tokens() const { return tokens_; }
  int64_t documents() const { return documents_; }

 private:
  // The index goes first: a folder without it is not a dataset, whatever happens next.
  void remove_old_dataset() {
    std::error_code error;
    fs::remove(folder_ / kDatasetIndex, error);
    if (!error) sync_folder(folder_);
    for (fs::directory_iterator entry(folder_, error), end; !error && entry != end;
         entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (name.starts_with("tokens-") && name.ends_with(".tok")) fs::remove(entry->path(), error);
    }
    if (error)
      throw Error(ErrorKind::kRuntime, folder_.string(),
                  "cannot remove the old dataset: " + error.message(),
                  "check that the folder is writable");
  }

  // The shard with room for a token.
  ShardWriter& shard() {
    if (writer_ && writer_->tokens() >= shard_tokens_) close_shard();
    if (!writer_) {
      name_ = fmt::format("tokens-{:05}.tok", closed_.size());
      writer_.emplace(folder_ / name_, tokenizer_.vocabulary_size(), tokenizer_.hash());
    }
    return *writer_;
  }

  void close_shard() {
    if (!writer_) return;
    closed_.push_back({name_, writer_->commit()});
    writer_.reset();
  }

  void write(std::span<const Token> tokens) {
    tokens_ += static_cast<int64_t>(tokens.size());
    while (!tokens.empty()) {
      ShardWriter& writer = shard();
      const auto room = static_cast<size_t>(shard_tokens_ - writer.tokens());
      const std::span<const Token> part = tokens.first(std::min(room, tokens.size()));
      writer.append(part);
      tokens = tokens.subspan(part.size());
    }
  }

  fs::path folder_;
  const Tokenizer& tokenizer_;
  int64_t shard_tokens_;
  bool made_folder_ = false;
  bool finished_ = false;
  std::vector<ShardEntry> closed_;
  std::string name_;
  std::optional<ShardWriter> writer_;
  int64_t tokens_ = 0;
  int64_t documents_ = 0;
};

}  // namespace

TokenDataset prepare_tokens(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
                            const fs::path& folder, const PrepareOptions& options) {
  DocumentStream stream(
      sources, [&](std::string_view text) { return tokenizer.safe_cut(text); }, options.chunk_bytes,
      options.standard_input);
  DatasetWriter writer(folder, tokenizer, options.shard_tokens);
  Chunk chunk;
  std::vector<Token> tokens;
  uint64_t text_bytes = 0;
  for (bool starts = true; stream.next(chunk); starts = chunk.ends_document) {
    tokens.clear();
    tokenizer.encode(chunk.text, tokens, chunk.place);
    writer.append(starts, tokens);
    text_bytes += chunk.text.size();
    if (options.progress)
      options.progress(
          {stream.bytes_read(), stream.bytes_total(), writer.tokens(), writer.documents()});
  }
  if (text_bytes == 0) {
    const std::string where =
        sources.size() == 1 && sources[0].path != "-" ? sources[0].path.string() : "the data";
    throw Error(ErrorKind::kData, where, "holds no text", "give a file with text");
  }
  writer.finish(text_bytes);
  return TokenDataset::open(folder);
}

std::vector<int32_t> token_bytes(const Tokenizer& tokenizer) {
  std::vector<int32_t> bytes(static_cast<size_t>(tokenizer.vocabulary_size()));
  for (Token token = 0; token < tokenizer.vocabulary_size(); ++token)
    bytes[static_cast<size_t>(token)] = static_cast<int32_t>(tokenizer.bytes_of(token).size());
  return bytes;
}

}  // namespace cllm
