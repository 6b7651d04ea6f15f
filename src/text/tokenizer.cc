#include "text/tokenizer.h"

#include <algorithm>
#include <bitset>
#include <optional>
#include <unordered_set>

#include "base/check.h"
#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/gpt2_split.h"
#include "text/tokenizer_reader.h"
#include "text/tokenizer_writer.h"
#include "text/utf8.h"

namespace cllm {

struct Tokenizer::State {
  TokenizerKind kind = TokenizerKind::kByte;
  std::vector<std::string> simple_pieces;    // kByte, kChar
  std::vector<Token> token_of_code_point;    // kChar: by code point, -1 where there is none
  std::optional<BpeModel> bpe;               // kBpe
  std::vector<AddedToken> added;             // by id
  std::vector<const AddedToken*> by_length;  // longest content first
  std::bitset<256> plain_first_bytes;        // of added tokens that are not special
  std::bitset<256> all_first_bytes;
  bool plain_with_space = false;  // one of those holds white space
  Token end_of_text = -1;
  uint64_t hash = 0;

  const std::vector<std::string>& pieces() const { return bpe ? bpe->pieces() : simple_pieces; }
  const AddedToken* find_added(Token id) const {
    const auto at = std::lower_bound(added.begin(), added.end(), id,
                                     [](const AddedToken& a, Token b) { return a.id < b; });
    return at != added.end() && at->id == id ? &*at : nullptr;
  }
  void set_added(std::vector<AddedToken> tokens, const std::string& where);
  void check_spellings(const std::string& where) const;
  void set_hash();
};

namespace {

constexpr const char* kVocabularyHint = "restore the file or export the tokenizer again";

void append_u32(uint32_t value, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8)
    out += static_cast<char>(value >> shift & 0xFF);
}

bool has_ascii_space(std::string_view text) {
  return text.find_first_of(" \t\n\v\f\r") != std::string_view::npos;
}

bool is_utf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = decode_utf8(text, at);
    if (character.status != Utf8Status::kValid) return false;
    at += character.bytes;
  }
  return true;
}

std::string place_text(const TextPlace& place) {
  return place.name.empty() ? std::string() : fmt::format("{}:{}", place.name, place.line);
}

std::string describe(const Utf8Character& character, std::string_view bytes) {
  if (character.status != Utf8Status::kValid)
    return fmt::format("invalid UTF-8 (byte {:#04x})", static_cast<uint8_t>(bytes[0]));
  const auto value = static_cast<uint32_t>(character.code_point);
  if (value < 0x20 || (value >= 0x7F && value < 0xA0))
    return fmt::format("character U+{:04X}", value);
  return fmt::format("character U+{:04X} '{}'", value, bytes);
}

}  // namespace

std::string_view tokenizer_kind_name(TokenizerKind kind) {
  switch (kind) {
    case TokenizerKind::kByte:
      return "byte";
    case TokenizerKind::kChar:
      return "char";
    case TokenizerKind::kBpe:
      return "bpe";
  }
  CHECK_MSG(false, "kind {}", static_cast<int>(kind));
}

void TextPlace::advance(std::string_view text) {
  byte += text.size();
  line += static_cast<uint64_t>(std::count(text.begin(), text.end(), '\n'));
}

void Tokenizer::State::set_added(std::vector<AddedToken> tokens, const std::string& where) {
  added = std::move(tokens);
  std::sort(added.begin(), added.end(),
            [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  const auto size = pieces().size();
  const auto fail = [&](const std::string& what) {
    throw Error(ErrorKind::kData, where, what, kVocabularyHint);
  };
  for (size_t i = 0; i < added.size(); ++i) {
    const AddedToken& token = added[i];
    if (token.id < 0 || static_cast<size_t>(token.id) >= size ||
        !pieces()[static_cast<size_t>(token.id)].empty())
      fail(fmt::format("added token '{}' has the id {} of another token", token.content, token.id));
    if (i > 0 && added[i - 1].id == token.id)
      fail(fmt::format("two added tokens have the id {}", token.id));
    if (token.content.empty()) fail(fmt::format("added token {} is empty", token.id));
    if (!is_utf8(token.content)) fail(fmt::format("added token {} is not valid UTF-8", token.id));
    const auto first = static_cast<uint8_t>(token.content[0]);
    all_first_bytes.set(first);
    if (!token.special) plain_first_bytes.set(first);
    if (!token.special && has_ascii_space(token.content)) plain_with_space = true;
    by_length.push_back(&token);
  }
  for (size_t id = 0; id < size; ++id)
    if (pieces()[id].empty() && find_added(static_cast<Token>(id)) == nullptr)
      fail(fmt::format("the vocabulary has no token with id {}", id));
  std::stable_sort(by_length.begin(), by_length.end(),
                   [](const AddedToken* a, const AddedToken* b) {
                     if (a->content.size() != b->content.size())
                       return a->content.size() > b->content.size();
                     return a->content < b->content;
                   });
  check_spellings(where);
  for (size_t i = 1; i < by_length.size(); ++i)
    if (by_length[i - 1]->content == by_length[i]->content)
      fail(fmt::format("added token '{}' occurs twice", by_length[i]->content));
}

// In a file, an added token and a piece live in one map, by spelling: they must differ there.
void Tokenizer::State::check_spellings(const std::string& where) const {
  if (kind != TokenizerKind::kBpe) return;
  std::unordered_set<std::string> taken;
  for (const AddedToken& token : added)
    if (auto bytes = unspell_bytes(token.content)) taken.insert(*std::move(bytes));
  for (const std::string& piece : pieces())
    if (!piece.empty() && taken.contains(piece))
      throw Error(ErrorKind::kData, where,
                  fmt::format("added token '{}' is also in the vocabulary", spell_bytes(piece)),
                  kVocabularyHint);
}

void Tokenizer::State::set_hash() {
  std::string text;
  for (size_t id = 0; id < pieces().size(); ++id) {
    const AddedToken* token = find_added(static_cast<Token>(id));
    const std::string& bytes = token != nullptr ? token->content : pieces()[id];
    append_u32(static_cast<uint32_t>(bytes.size()), text);
    text += token != nullptr && token->special ? 'S' : 'T';
    text += bytes;
  }
  hash = hash64(text.data(), text.size());
}

Tokenizer::Tokenizer(std::shared_ptr<const State> state) : state_(std::move(state)) {}

Tokenizer Tokenizer::byte() {
  auto state = std::make_shared<State>();
  for (int byte = 0; byte < 256; ++byte)
    state->simple_pieces.emplace_back(1, static_cast<char>(byte));
  state->simple_pieces.emplace_back();
  state->end_of_text = 256;
  state->set_added({{256, std::string(kEndOfText), true}}, "");
  state->set_hash();
  return Tokenizer(std::move(state));
}

Tokenizer Tokenizer::from_characters(std::vector<char32_t> code_points) {
  std::sort(code_points.begin(), code_points.end());
  code_points.erase(std::unique(code_points.begin(), code_points.end()), code_points.end());
  return from_ordered_characters(code_points);
}

Tokenizer Tokenizer::from_ordered_characters(const std::vector<char32_t>& code_points) {
  if (code_points.empty())
    throw Error(ErrorKind::kData, "", "a char vocabulary without characters",
                "build it from a text that is not empty");
  auto state = std::make_shared<State>();
  state->kind = TokenizerKind::kChar;
  for (const char32_t code_point : code_points) {
    if (!is_scalar_value(code_point))
      throw Error(ErrorKind::kData, "",
                  fmt::format("U+{:04X} is not a character", static_cast<uint32_t>(code_point)),
                  "rebuild the vocabulary from valid UTF-8");
    append_utf8(code_point, state->simple_pieces.emplace_back());
  }
  state->token_of_code_point.assign(std::ranges::max(code_points) + 1, -1);
  for (size_t id = 0; id < code_points.size(); ++id) {
    Token& token = state->token_of_code_point[code_points[id]];
    if (token >= 0)
      throw Error(ErrorKind::kData, "", "a character is twice in a vocabulary", kVocabularyHint);
    token = static_cast<Token>(id);
  }
  state->simple_pieces.emplace_back();
  state->end_of_text = static_cast<Token>(code_points.size());
  state->set_added({{state->end_of_text, std::string(kEndOfText), true}}, "");
  state->set_hash();
  return Tokenizer(std::move(state));
}

Tokenizer Tokenizer::from_bpe(BpeParts parts, const std::string& where) {
  if (parts.pieces.size() > INT32_MAX)
    throw Error(ErrorKind::kData, where, "more than 2^31 tokens", kVocabularyHint);
  auto state = std::make_shared<State>();
  state->kind = TokenizerKind::kBpe;
  state->bpe.emplace(std::move(parts.pieces), std::move(parts.merges), parts.whole_pieces, where);
  state->set_added(std::move(parts.added), where);
  state->end_of_text = parts.end_of_text;
  const AddedToken* end = state->find_added(parts.end_of_text);
  if (parts.end_of_text != -1 && (end == nullptr || !end->special))
    throw Error(ErrorKind::kData, where,
                fmt::format("end of text ({}) is not a special token", parts.end_of_text),
                kVocabularyHint);
  state->set_hash();
  return Tokenizer(std::move(state));
}

Tokenizer Tokenizer::load(const fs::path& file_or_folder) {
  return read_tokenizer(file_or_folder);
}

void Tokenizer::save(const fs::path& file) const {
  write_file(file, tokenizer_json(*this));
}

void Tokenizer::save_folder(const fs::path& folder, int64_t model_max_length) const {
  write_tokenizer_folder(*this, folder, model_max_length);
}

TokenizerKind Tokenizer::kind() const {
  return state_->kind;
}
int Tokenizer::vocabulary_size() const {
  return static_cast<int>(state_->pieces().size());
}
Token Tokenizer::end_of_text() const {
  return state_->end_of_text;
}
uint64_t Tokenizer::hash() const {
  return state_->hash;
}
std::span<const AddedToken> Tokenizer::added_tokens() const {
  return state_->added;
}
bool Tokenizer::whole_pieces() const {
  return state_->bpe && state_->bpe->whole_pieces();
}

std::span<const Merge> Tokenizer::merges() const {
  return state_->bpe ? state_->bpe->merges() : std::span<const Merge>();
}

void Tokenizer::encode(std::string_view text, std::vector<Token>& out,
                       const TextPlace& place) const {
  if (state_->plain_first_bytes.none())
    encode_plain(text, out, place);
  else
    encode_around(false, text, out, place);
}

void Tokenizer::encode_with_special_tokens(std::string_view text, std::vector<Token>& out,
                                           const TextPlace& place) const {
  encode_around(true, text, out, place);
}

void Tokenizer::encode_around(bool special, std::string_view text, std::vector<Token>& out,
                              TextPlace place) const {
  const auto& first_bytes = special ? state_->all_first_bytes : state_->plain_first_bytes;
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const AddedToken* match = nullptr;
    if (first_bytes.test(static_cast<uint8_t>(text[at]))) {
      const auto found = std::find_if(
          state_->by_length.begin(), state_->by_length.end(), [&](const AddedToken* token) {
            return (special || !token->special) && text.substr(at).starts_with(token->content);
          });
      if (found != state_->by_length.end()) match = *found;
    }
    if (match == nullptr) {
      ++at;
      continue;
    }
    encode_plain(text.substr(done, at - done), out, place);
    out.push_back(match->id);
    at += match->content.size();
    place.advance(text.substr(done, at - done));
    done = at;
  }
  encode_plain(text.substr(done), out, place);
}

void Tokenizer::encode_plain(std::string_view text, std::vector<Token>& out,
                             const TextPlace& place) const {
  switch (state_->kind) {
    case TokenizerKind::kByte:
      out.reserve(std::max(out.capacity(), out.size() + text.size()));
      for (const char byte : text)
        out.push_back(static_cast<uint8_t>(byte));
      return;
    case TokenizerKind::kChar:
      encode_characters(text, out, place);
      return;
    case TokenizerKind::kBpe:
      BpeModel::Scratch scratch;
      for (size_t begin = 0; begin < text.size();) {
        const size_t end = gpt2_piece_end(text, begin);
        state_->bpe->encode(text.substr(begin, end - begin), scratch, out);
        begin = end;
      }
      return;
  }
}

void Tokenizer::encode_characters(std::string_view text, std::vector<Token>& out,
                                  const TextPlace& place) const {
  const std::vector<Token>& token_of = state_->token_of_code_point;
  for (size_t at = 0; at < text.size();) {
    const Utf8Character character = decode_utf8(text, at);
    const bool known = character.status == Utf8Status::kValid &&
                       character.code_point < token_of.size() &&
                       token_of[character.code_point] >= 0;
    if (!known) {
      TextPlace here = place;
      here.advance(text.substr(0, at));
      const std::string what = describe(character, text.substr(at, character.bytes));
      throw Error(ErrorKind::kData, place_text(here),
                  fmt::format("{} at byte {} is not in the char vocabulary", what, here.byte),
                  "use a byte or bpe tokenizer, or rebuild the vocabulary with this text");
    }
    out.push_back(token_of[character.code_point]);
    at += character.bytes;
  }
}

size_t Tokenizer::safe_cut(std::string_view text) const {
  switch (state_->kind) {
    case TokenizerKind::kByte:
      return text.size();
    case TokenizerKind::kChar:
      return complete_utf8(text);
    case TokenizerKind::kBpe:
      break;
  }
  // An added token with white space inside could lie across any cut.
  return state_->plain_with_space ? 0 : gpt2_safe_cut(text);
}

std::string_view Tokenizer::bytes_of(Token token) const {
  const auto& pieces = state_->pieces();
  CHECK_MSG(token >= 0 && static_cast<size_t>(token) < pieces.size(), "token {} of {}", token,
            pieces.size());
  const std::string& piece = pieces[static_cast<size_t>(token)];
  if (!piece.empty()) return piece;
  const AddedToken* added = state_->find_added(token);
  return added->special ? std::string_view() : std::string_view(added->content);
}

std::string Tokenizer::decode(std::span<const Token> tokens) const {
  std::string text;
  for (const Token token : tokens) {
    if (token < 0 || token >= vocabulary_size())
      throw Error(ErrorKind::kData, "",
                  fmt::format("token {} is outside the vocabulary of {}", token, vocabulary_size()),
                  "check that text and tokenizer belong together");
    text += bytes_of(token);
  }
  return text;
}

std::string Tokenizer::display(Token token) const {
  const std::string_view bytes = bytes_of(token);
  if (bytes.empty()) return state_->find_added(token)->content;
  std::string shown;
  for (size_t at = 0; at < bytes.size();) {
    const Utf8Character character = decode_utf8(bytes, at);
    const std::string_view raw = bytes.substr(at, character.bytes);
    const auto value = static_cast<uint32_t>(character.code_point);
    if (raw == "\n") {
      shown += "\\n";
    } else if (raw == "\t") {
      shown += "\\t";
    } else if (raw == "\r") {
      shown += "\\r";
    } else if (character.status != Utf8Status::kValid || value < 0x20 ||
               (value >= 0x7F && value < 0xA0)) {
      for (const char byte : raw)
        shown += fmt::format("\\x{:02x}", static_cast<uint8_t>(byte));
    } else {
      shown += raw;
    }
    at += character.bytes;
  }
  return shown;
}

}  // namespace cllm
