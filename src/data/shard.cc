#include "data/shard.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

static_assert(std::endian::native == std::endian::little, "shards are mapped, not converted");

constexpr std::array<char, 8> kMagic = {'c', 'l', 'l', 'm', '-', 't', 'o', 'k'};
constexpr uint32_t kVersion = 1;
constexpr size_t kHashedHeader = offsetof(ShardHeader, header_hash);
constexpr int32_t kLlmcMagic = 20240520;
constexpr size_t kLlmcHeader = 256 * sizeof(int32_t);
constexpr size_t kBlock = 4096;  // tokens converted at a time, on the stack

[[noreturn]] void fail_own(const fs::path& path, const std::string& what) {
  throw Error(ErrorKind::kData, path.string(), what, "delete it and prepare the data again");
}

[[noreturn]] void fail_foreign(const fs::path& path, const std::string& what) {
  throw Error(ErrorKind::kData, path.string(), what, "copy or make the file again");
}

size_t padding_to_8(uint64_t bytes) {
  return static_cast<size_t>(-bytes & 7);
}

template <class Stored>
void widen(const std::byte* stored, int64_t begin, int64_t count, Token* out) {
  const Stored* from = reinterpret_cast<const Stored*>(stored) + begin;
  for (int64_t i = 0; i < count; ++i)
    out[i] = static_cast<Token>(from[i]);
}

}  // namespace

void ShardWriter::FreeHash::operator()(XXH64_state_s* state) const {
  XXH64_freeState(state);
}

ShardWriter::ShardWriter(const fs::path& target, int vocabulary_size, uint64_t vocabulary_hash)
    : file_(target), hash_(XXH64_createState()) {
  CHECK(vocabulary_size >= 1);
  CHECK(hash_ != nullptr);
  std::ranges::copy(kMagic, header_.magic);
  header_.version = kVersion;
  header_.token_bytes = vocabulary_size <= 1 << 16 ? 2 : 4;
  header_.vocabulary_size = static_cast<uint64_t>(vocabulary_size);
  header_.vocabulary_hash = vocabulary_hash;
  XXH64_reset(hash_.get(), 0);
  file_.write(&header_, sizeof header_);  // its place; commit() fills in the counts
}

ShardWriter::~ShardWriter() = default;

void ShardWriter::write_payload(const void* data, size_t bytes) {
  XXH64_update(hash_.get(), data, bytes);
  file_.write(data, bytes);
}

template <class Stored>
void ShardWriter::append_as(std::span<const Token> tokens) {
  std::array<Stored, kBlock> block;
  while (!tokens.empty()) {
    const size_t count = std::min(tokens.size(), block.size());
    for (size_t i = 0; i < count; ++i) {
      const auto token = static_cast<uint32_t>(tokens[i]);
      CHECK_MSG(token < header_.vocabulary_size, "token {} of {}", tokens[i],
                header_.vocabulary_size);
      block[i] = static_cast<Stored>(token);
    }
    write_payload(block.data(), count * sizeof(Stored));
    tokens = tokens.subspan(count);
  }
}

void ShardWriter::append(std::span<const Token> tokens) {
  if (header_.token_bytes == 2)
    append_as<uint16_t>(tokens);
  else
    append_as<uint32_t>(tokens);
  header_.tokens += tokens.size();
}

ShardHeader ShardWriter::commit() {
  constexpr std::array<char, 8> kZeros{};
  write_payload(kZeros.data(), padding_to_8(header_.tokens * header_.token_bytes));
  write_payload(starts_.data(), starts_.size() * sizeof(uint64_t));
  header_.documents = starts_.size();
  header_.payload_hash = XXH64_digest(hash_.get());
  header_.header_hash = hash64(&header_, kHashedHeader);
  file_.write_at(0, &header_, sizeof header_);
  file_.commit();
  return header_;
}

TokenShard TokenShard::open(const fs::path& path) {
  TokenShard shard;
  shard.path_ = path;
  shard.file_.emplace(path);
  const std::string_view text = shard.file_->text();
  if (text.empty()) fail_foreign(path, "the token file is empty");
  int32_t first = 0;
  std::memcpy(&first, text.data(), std::min(sizeof first, text.size()));
  if (text.starts_with(std::string_view(kMagic.data(), kMagic.size())))
    shard.read_own_header();
  else if (path.extension() == ".tok")
    fail_own(path, "not a token shard (the magic number is wrong)");
  else if (first == kLlmcMagic)
    shard.read_llmc_header();
  else
    shard.read_raw();
  return shard;
}

TokenShard TokenShard::in_memory(std::vector<Token> tokens) {
  TokenShard shard;
  shard.memory_ = std::move(tokens);
  shard.tokens_ = reinterpret_cast<const std::byte*>(shard.memory_.data());
  shard.size_ = static_cast<int64_t>(shard.memory_.size());
  return shard;
}

void TokenShard::read_own_header() {
  const size_t bytes = file_->size();
  if (bytes < sizeof(ShardHeader))
    fail_own(path_,
             fmt::format("cut off: {} of the {} bytes of the header", bytes, sizeof(ShardHeader)));
  header_ = reinterpret_cast<const ShardHeader*>(file_->data());
  if (header_->version != kVersion)
    fail_own(path_,
             fmt::format("format version {}, this program reads {}", header_->version, kVersion));
  if (hash64(header_, kHashedHeader) != header_->header_hash)
    fail_own(path_, "the header is damaged (checksum)");
  // The header is as it was written; these guard against a writer that lied, before any arithmetic
  // that could overflow.
  const uint64_t width = header_->token_bytes;
  if ((width != 2 && width != 4) || header_->tokens > bytes || header_->documents > bytes ||
      header_->vocabulary_size > std::numeric_limits<int32_t>::max())
    fail_own(path_, "the header makes no sense");
  const uint64_t token_bytes = header_->tokens * width;
  const uint64_t starts_at = sizeof(ShardHeader) + token_bytes + padding_to_8(token_bytes);
  const uint64_t expected = starts_at + header_->documents * sizeof(uint64_t);
  if (bytes != expected)
    fail_own(path_,
             fmt::format("{} bytes, expected {} for {} tokens", bytes, expected, header_->tokens));
  token_bytes_ = static_cast<int>(width);
  size_ = static_cast<int64_t>(header_->tokens);
  tokens_ = file_->data() + sizeof(ShardHeader);
  starts_ = {reinterpret_cast<const uint64_t*>(file_->data() + starts_at),
             static_cast<size_t>(header_->documents)};
}

void TokenShard::read_llmc_header() {
  const size_t bytes = file_->size();
  if (bytes < kLlmcHeader)
    fail_foreign(path_,
                 fmt::format("cut off: {} of the {} bytes of an llm.c header", bytes, kLlmcHeader));
  std::array<int32_t, 3> header;
  std::memcpy(header.data(), file_->data(), sizeof header);
  if (header[1] != 1)
    fail_foreign(path_,
                 fmt::format("llm.c token file of version {}, this program reads 1", header[1]));
  size_ = header[2];
  if (size_ < 0 || bytes - kLlmcHeader != static_cast<uint64_t>(size_) * sizeof(uint16_t))
    fail_foreign(
        path_, fmt::format("{} bytes, but the llm.c header promises {} tokens", bytes, header[2]));
  token_bytes_ = 2;
  tokens_ = file_->data() + kLlmcHeader;
}

void TokenShard::read_raw() {
  const size_t bytes = file_->size();
  if (bytes % sizeof(uint16_t) != 0)
    fail_foreign(path_, fmt::format("{} bytes are not a whole number of 16-bit tokens", bytes));
  token_bytes_ = 2;
  size_ = static_cast<int64_t>(bytes / sizeof(uint16_t));
  tokens_ = file_->data();
}

void TokenShard::verify(int64_t vocabulary_size) const {
  if (header_ != nullptr) {
    const uint64_t hash = hash64(tokens_, file_->size() - sizeof(ShardHeader));
    if (hash != header_->payload_hash)
      fail_own(path_, fmt::format("damaged: checksum {}, expected {}", hash64_hex(hash),
                                  hash64_hex(header_->payload_hash)));
    for (size_t i = 0; i < starts_.size(); ++i)
      if (starts_[i] >= header_->tokens || (i > 0 && starts_[i] <= starts_[i - 1]))
        fail_own(path_, fmt::format("document {} begins at token {}", i, starts_[i]));
  }
  std::array<Token, kBlock> block;
  const int64_t step = static_cast<int64_t>(block.size());
  for (int64_t begin = 0; begin < size_; begin += step) {
    const int64_t count = std::min(step, size_ - begin);
    copy(begin, count, block.data());
    const auto outside = [&](Token token) { return token < 0 || token >= vocabulary_size; };
    const auto end = block.begin() + count;
    const auto found = std::find_if(block.begin(), end, outside);
    if (found == end) continue;
    throw Error(ErrorKind::kData, path_.string(),
                fmt::format("token {} is {}, outside the vocabulary of {}",
                            begin + (found - block.begin()), *found, vocabulary_size),
                "give the tokenizer that made the file");
  }
}

void TokenShard::copy(int64_t begin, int64_t count, Token* out) const {
  CHECK_MSG(begin >= 0 && count >= 0 && begin <= size_ - count, "[{}, {}+{}) of {}", begin, begin,
            count, size_);
  if (token_bytes_ == 2)
    widen<uint16_t>(tokens_, begin, count, out);
  else
    widen<uint32_t>(tokens_, begin, count, out);
}

void TokenShard::prefetch(int64_t begin, int64_t count) const {
  CHECK_MSG(begin >= 0 && count >= 0 && begin <= size_ - count, "[{}, {}+{}) of {}", begin, begin,
            count, size_);
  if (!file_) return;
  const auto first = static_cast<size_t>(tokens_ - file_->data() + begin * token_bytes_);
  file_->prefetch(first, static_cast<size_t>(count * token_bytes_));
}

}  // namespace cllm
