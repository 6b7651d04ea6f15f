#include "data/dataset.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

constexpr const char* kAgain = "prepare the data again";
constexpr const char* kIndexFormat = "cllm-tokens";
constexpr int kIndexVersion = 1;

// Shard entries of dataset.json; throws nlohmann's exceptions on wrong types.
struct Index {
  std::vector<std::pair<std::string, std::string>> shards;  // file, payload hash
  int64_t text_bytes = 0;
};

Index parse_index(const std::string& text) {
  const auto json = nlohmann::json::parse(text);
  if (json.at("format") != kIndexFormat || json.at("version") != kIndexVersion)
    throw std::runtime_error(
        fmt::format("format {} version {}", json.at("format").dump(), json.at("version").dump()));
  Index index;
  index.text_bytes = json.at("text_bytes").get<int64_t>();
  for (const auto& shard : json.at("shards")) {
    const auto file = shard.at("file").get<std::string>();
    if (file.empty() || file.find('/') != std::string::npos)
      throw std::runtime_error(fmt::format("shard file name '{}'", file));
    index.shards.emplace_back(file, shard.at("payload_hash").get<std::string>());
  }
  if (index.shards.empty()) throw std::runtime_error("no shards");
  return index;
}

Index read_index(const fs::path& folder) {
  const fs::path path = folder / kDatasetIndex;
  if (!fs::exists(path))
    throw Error(ErrorKind::kData, folder.string(),
                fmt::format("not a complete token folder: it has no {}", kDatasetIndex), kAgain);
  const std::string text = read_file(path);
  try {
    return parse_index(text);
  } catch (const std::exception& error) {
    throw Error(ErrorKind::kData, path.string(), fmt::format("damaged: {}", error.what()), kAgain);
  }
}

}  // namespace

TokenView::TokenView(const TokenDataset& dataset, int64_t begin, int64_t count)
    : dataset_(&dataset), begin_(begin), count_(count) {
  CHECK_MSG(begin >= 0 && count >= 0 && begin <= dataset.size() - count, "[{}, {}+{}) of {}", begin,
            begin, count, dataset.size());
}

void TokenView::copy(int64_t begin, int64_t count, Token* out) const {
  CHECK_MSG(begin >= 0 && count >= 0 && begin <= count_ - count, "[{}, {}+{}) of {}", begin, begin,
            count, count_);
  if (count > 0) dataset_->copy(begin_ + begin, count, out);
}

void TokenView::prefetch(int64_t begin, int64_t count) const {
  CHECK_MSG(begin >= 0 && count >= 0 && begin <= count_ - count, "[{}, {}+{}) of {}", begin, begin,
            count, count_);
  if (count > 0) dataset_->prefetch(begin_ + begin, count);
}

TokenDataset::TokenDataset(std::vector<TokenShard> shards, int64_t vocabulary_size)
    : shards_(std::move(shards)),
      begins_{0},
      first_documents_{0},
      vocabulary_size_(vocabulary_size) {
  for (const TokenShard& shard : shards_) {
    begins_.push_back(begins_.back() + shard.size());
    const auto documents = shard.header() != nullptr
                               ? static_cast<int64_t>(shard.document_starts().size())
                               : int64_t{shard.size() > 0};
    first_documents_.push_back(first_documents_.back() + documents);
  }
}

TokenDataset TokenDataset::open(const fs::path& folder) {
  const Index index = read_index(folder);
  std::vector<TokenShard> shards;
  for (const auto& [file, payload_hash] : index.shards) {
    shards.push_back(TokenShard::open(folder / file));
    const ShardHeader* header = shards.back().header();
    const ShardHeader* first = shards.front().header();
    if (header == nullptr || hash64_hex(header->payload_hash) != payload_hash ||
        header->vocabulary_hash != first->vocabulary_hash ||
        header->vocabulary_size != first->vocabulary_size)
      throw Error(ErrorKind::kData, (folder / file).string(),
                  fmt::format("does not belong to {}", (folder / kDatasetIndex).string()), kAgain);
  }
  const ShardHeader header = *shards.front().header();
  TokenDataset dataset(std::move(shards), static_cast<int64_t>(header.vocabulary_size));
  dataset.text_bytes_ = index.text_bytes;
  return dataset;
}

TokenDataset TokenDataset::from_files(const std::vector<fs::path>& files, int vocabulary_size) {
  std::vector<TokenShard> shards;
  for (const fs::path& file : files)
    shards.push_back(TokenShard::open(file));
  TokenDataset dataset(std::move(shards), vocabulary_size);
  dataset.verify();
  return dataset;
}

TokenDataset TokenDataset::from_tokens(std::vector<Token> tokens, int vocabulary_size) {
  std::vector<TokenShard> shards;
  shards.push_back(TokenShard::in_memory(std::move(tokens)));
  TokenDataset dataset(std::move(shards), vocabulary_size);
  dataset.verify();
  return dataset;
}

void TokenDataset::verify() const {
  for (const TokenShard& shard : shards_)
    shard.verify(vocabulary_size_);
}

void TokenDataset::require_vocabulary(const Tokenizer& tokenizer) const {
  const char* const hint = "give the tokenizer that made it, or prepare the data again";
  for (const TokenShard& shard : shards_)
    if (shard.header() != nullptr && shard.header()->vocabulary_hash != tokenizer.hash())
      throw Error(ErrorKind::kData, shard.path().string(),
                  fmt::format("made with another vocabulary (hash {} of {} tokens; this tokenizer "
                              "has {} of {})",
                              hash64_hex(shard.header()->vocabulary_hash), vocabulary_size_,
                              hash64_hex(tokenizer.hash()), tokenizer.vocabulary_size()),
                  hint);
  if (vocabulary_size_ > tokenizer.vocabulary_size())
    throw Error(ErrorKind::kData, "tokens",
                fmt::format("made for {} tokens, this tokenizer has {}", vocabulary_size_,
                            tokenizer.vocabulary_size()),
                hint);
}

size_t TokenDataset::shard_of(int64_t token) const {
  const auto above = std::upper_bound(begins_.begin(), begins_.end(), token);
  return static_cast<size_t>(above - begins_.begin()) - 1;
}

template <class Part>
void TokenDataset::for_each_part(int64_t begin, int64_t count, Part part) const {
  CHECK_MSG(begin >= 0 && count >= 0 && begin <= size() - count, "[{}, {}+{}) of {}", begin, begin,
            count, size());
  while (count > 0) {
    const size_t shard = shard_of(begin);
    const int64_t here = std::min(count, begins_[shard + 1] - begin);
    part(shards_[shard], begin - begins_[shard], here);
    begin += here;
    count -= here;
  }
}

void TokenDataset::copy(int64_t begin, int64_t count, Token* out) const {
  for_each_part(begin, count, [&](const TokenShard& shard, int64_t first, int64_t tokens) {
    shard.copy(first, tokens, out);
    out += tokens;
  });
}

void TokenDataset::prefetch(int64_t begin, int64_t count) const {
  for_each_part(begin, count, [](const TokenShard& shard, int64_t first, int64_t tokens) {
    shard.prefetch(first, tokens);
  });
}

int64_t TokenDataset::document_start(int64_t document) const {
  CHECK_MSG(document >= 0 && document < documents(), "{} of {}", document, documents());
  const auto above = std::upper_bound(first_documents_.begin(), first_documents_.end(), document);
  const auto shard = static_cast<size_t>(above - first_documents_.begin()) - 1;
  const auto starts = shards_[shard].document_starts();
  if (starts.empty()) return begins_[shard];
  const auto local = static_cast<size_t>(document - first_documents_[shard]);
  return begins_[shard] + static_cast<int64_t>(starts[local]);
}

void write_dataset_index(const fs::path& folder, const std::vector<ShardEntry>& shards,
                         int64_t text_bytes) {
  nlohmann::ordered_json json = {{"format", kIndexFormat}, {"version", kIndexVersion}};
  uint64_t tokens = 0;
  uint64_t documents = 0;
  auto list = nlohmann::ordered_json::array();
  for (const ShardEntry& shard : shards) {
    tokens += shard.header.tokens;
    documents += shard.header.documents;
    list.push_back({{"file", shard.file},
                    {"tokens", shard.header.tokens},
                    {"documents", shard.header.documents},
                    {"payload_hash", hash64_hex(shard.header.payload_hash)}});
  }
  json["tokens"] = tokens;
  json["documents"] = documents;
  json["text_bytes"] = text_bytes;
  json["vocabulary_size"] = shards.front().header.vocabulary_size;
  json["vocabulary_hash"] = hash64_hex(shards.front().header.vocabulary_hash);
  json["shards"] = std::move(list);
  write_file(folder / kDatasetIndex, json.dump(2) + "\n");
}

bool is_token_file(const fs::path& path) {
  return path.extension() == ".bin" || path.extension() == ".tok";
}

bool is_dataset_folder(const fs::path& path) {
  std::error_code unreadable;
  return fs::is_regular_file(path / kDatasetIndex, unreadable);
}

TokenSplit split_by_position(const TokenDataset& dataset, double validation_fraction) {
  if (!(validation_fraction >= 0 && validation_fraction < 1))
    throw Error(ErrorKind::kUsage, "validation_fraction",
                fmt::format("{} is not in [0, 1)", validation_fraction), "try 0.1");
  const int64_t size = dataset.size();
  const auto train =
      static_cast<int64_t>(std::floor(static_cast<double>(size) * (1.0 - validation_fraction)));
  return {dataset.view(0, train), dataset.view(train, size - train)};
}

}  // namespace cllm
