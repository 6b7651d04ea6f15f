// Text to token ids and back: bytes, characters, or byte-level BPE with the GPT-2 split. Training a
// vocabulary is text/bpe_trainer.h and text/char_vocabulary.h; the file formats are
// text/tokenizer_reader.h and text/tokenizer_writer.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "text/bpe_model.h"
#include "text/token.h"

namespace cllm {

inline constexpr std::string_view kEndOfText = "<|endoftext|>";

enum class TokenizerKind { kByte, kChar, kBpe };

// "byte", "char", "bpe".
std::string_view tokenizer_kind_name(TokenizerKind kind);

// A token that no merge makes. Special ones (end of text, chat roles) carry no text: they are
// recognised only by encode_with_special_tokens and decode to nothing. The others are plain text
// that is always one token.
struct AddedToken {
  Token id = -1;
  std::string content;
  bool special = true;
};

// Where a text comes from, for messages: the position of its first byte in the file or stream.
struct TextPlace {
  std::string name;   // file name; "" if there is none
  uint64_t byte = 0;  // bytes before the text
  uint64_t line = 1;  // line its first byte is on
  void advance(std::string_view text);
};

// What a BPE tokenizer is made of. pieces: raw bytes by id, "" where an added token sits.
struct BpeParts {
  std::vector<std::string> pieces;
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  bool whole_pieces = false;  // see BpeModel
  Token end_of_text = -1;     // the id of a special token, or -1
};

// Immutable after construction, cheap to copy (shared state), thread-safe. Ids are 0..V-1 without
// gaps.
class Tokenizer {
 public:
  // Id = byte value, then <|endoftext|> = 256.
  static Tokenizer byte();
  // Id = rank of the code point, then <|endoftext|>. Duplicates are dropped. Error (kData) if there
  // are none, or one is not a Unicode scalar value.
  static Tokenizer from_characters(std::vector<char32_t> code_points);
  // The same with id = place in the list. Error (kData) also for a duplicate.
  static Tokenizer from_ordered_characters(const std::vector<char32_t>& code_points);
  // Error (kData), naming `where`, if the parts do not fit together.
  static Tokenizer from_bpe(BpeParts parts, const std::string& where = "");

  // A tokenizer.json, a folder with one, or a folder with vocab.json and merges.txt; what is
  // supported is in text/tokenizer_reader.h. Error (kData).
  static Tokenizer load(const fs::path& file_or_folder);
  // Writes a tokenizer.json; complete or not at all. Error (kRuntime).
  void save(const fs::path& file) const;
  // Writes into an existing folder all that Hugging Face readers look for
  // (text/tokenizer_writer.h). model_max_length: context of the model, in tokens.
  void save_folder(const fs::path& folder, int64_t model_max_length) const;

  TokenizerKind kind() const;
  int vocabulary_size() const;
  Token end_of_text() const;  // -1 if there is none
  // Identity of the vocabulary: equal if the same ids stand for the same bytes and special tokens.
  // The same on every machine and after save and load.
  uint64_t hash() const;

  // Appends the tokens of one text. Special tokens spelled out in it are ordinary text. O(n log n),
  // in practice O(n). A char tokenizer throws Error (kData), naming the place, at a character it
  // does not have or at invalid UTF-8; `out` then holds the tokens before it. The others take every
  // byte sequence.
  void encode(std::string_view text, std::vector<Token>& out, const TextPlace& place = {}) const;
  // The same, with the contents of special tokens recognised (leftmost, longest first).
  void encode_with_special_tokens(std::string_view text, std::vector<Token>& out,
                                  const TextPlace& place = {}) const;
  // For texts that arrive in chunks: the length of a prefix that can be encoded now, such that
  // encode(prefix) followed by encode(the rest with whatever comes) equals encode of the whole. May
  // be 0.
  size_t safe_cut(std::string_view text) const;

  // Raw bytes of a token, "" for a special one; may be a part of a UTF-8 character. 0 <= token < V.
  std::string_view bytes_of(Token token) const;
  // Concatenated bytes; special tokens vanish. Error (kData) for an id outside the vocabulary.
  std::string decode(std::span<const Token> tokens) const;
  // For people: special tokens by name, controls and broken UTF-8 escaped. Always valid UTF-8.
  std::string display(Token token) const;

  // By id.
  std::span<const AddedToken> added_tokens() const;
  // In order of rank; empty unless BPE.
  std::span<const Merge> merges() const;
  bool whole_pieces() const;

 private:
  struct State;
  explicit Tokenizer(std::shared_ptr<const State> state);
  void encode_characters(std::string_view text, std::vector<Token>& out,
                         const TextPlace& place) const;
  void encode_plain(std::string_view text, std::vector<Token>& out, const TextPlace& place) const;
  void encode_around(bool special, std::string_view text, std::vector<Token>& out,
                     TextPlace place) const;

  std::shared_ptr<const State> state_;
};

}  // namespace cllm
