#include "text/tokenizer_reader.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <optional>
#include <unordered_map>

#include "base/error.h"
#include "text/byte_alphabet.h"
#include "text/utf8.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

constexpr const char* kDamagedHint = "restore the file or export the tokenizer again";

[[noreturn]] void fail(const fs::path& file, const std::string& what) {
  throw Error(ErrorKind::kData, file.string(), what, kDamagedHint);
}

[[noreturn]] void unsupported(const fs::path& file, const std::string& what) {
  throw Error(
      ErrorKind::kData, file.string(), what + " is not supported",
      "supported: byte-level BPE with the GPT-2 split, and byte and char tokenizers of cllm");
}

bool file_exists(const fs::path& file) {
  std::error_code ignored;
  return fs::exists(file, ignored);
}

Json parse(const fs::path& file) {
  try {
    return Json::parse(read_file(file));
  } catch (const Json::parse_error& error) {
    fail(file, fmt::format("not valid JSON at byte {}: truncated or damaged", error.byte));
  } catch (const Json::exception& error) {
    fail(file, fmt::format("not valid JSON ({})", error.what()));
  }
}

// The value of a key, null if it is absent. `object` must be an object.
const Json& value_of(const Json& object, const char* key) {
  static const Json kNull;
  const auto found = object.find(key);
  return found == object.end() ? kNull : *found;
}

std::string string_of(const Json& object, const char* key) {
  const Json& value = value_of(object, key);
  return value.is_string() ? value.get<std::string>() : std::string();
}

bool is_true(const Json& object, const char* key) {
  const Json& value = value_of(object, key);
  return value.is_boolean() && value.get<bool>();
}

// Null, false, 0 or "": an option that is off.
bool is_off(const Json& value) {
  return value.is_null() || value == Json(false) || value == Json("") ||
         (value.is_number() && value == Json(0));
}

// An id below `limit`, or nothing.
std::optional<Token> id_of(const Json& value, size_t limit) {
  if (!value.is_number_integer()) return std::nullopt;
  if (value.is_number_unsigned() ? value.get<uint64_t>() >= limit : true) return std::nullopt;
  return static_cast<Token>(value.get<uint64_t>());
}

// A value for a message; not dump() of lists and objects, which recurses as deep as the file likes.
std::string brief(const Json& value) {
  return value.is_structured() ? std::string(value.type_name()) : value.dump();
}

std::string type_name(const Json& part) {
  if (part.is_null()) return "none";
  const std::string type = part.is_object() ? string_of(part, "type") : std::string();
  return type.empty() ? "unknown" : type;
}

// The tokens of a vocabulary object by id, "" where it has none. `extra`: tokens outside the
// object, so that an id at or above the sum of both proves a gap; that also bounds the memory.
std::vector<std::string> spellings_by_id(const Json& vocabulary, size_t extra,
                                         const fs::path& file) {
  if (!vocabulary.is_object() || vocabulary.empty())
    fail(file, "the vocabulary is not a JSON object");
  const size_t limit = std::min<size_t>(vocabulary.size() + extra, INT32_MAX);
  std::vector<std::string> spellings(limit);
  for (const auto& [spelling, id] : vocabulary.items()) {
    const std::optional<Token> token = id_of(id, limit);
    if (!token)
      fail(file, fmt::format("token '{}' has the id {}: ids must be 0..{} without gaps", spelling,
                             brief(id), limit - 1));
    std::string& place = spellings[static_cast<size_t>(*token)];
    if (!place.empty())
      fail(file, fmt::format("tokens '{}' and '{}' have the same id {}", place, spelling, *token));
    if (spelling.empty()) fail(file, fmt::format("token {} is empty", *token));
    place = spelling;
  }
  return spellings;
}

std::vector<AddedToken> read_added_tokens(const Json& list, const fs::path& file) {
  std::vector<AddedToken> added;
  if (list.is_null()) return added;
  if (!list.is_array()) fail(file, "added_tokens is not a list");
  for (const Json& item : list) {
    if (!item.is_object()) fail(file, "an added token is not a JSON object");
    const std::optional<Token> id = id_of(value_of(item, "id"), INT32_MAX);
    AddedToken token{id.value_or(-1), string_of(item, "content"), is_true(item, "special")};
    if (!id || token.content.empty())
      fail(file, fmt::format("added token '{}' has no content or no valid id", token.content));
    if (!token.special)
      for (const char* flag : {"single_word", "lstrip", "rstrip"})
        if (is_true(item, flag))
          unsupported(file, fmt::format("added token '{}' with {}", token.content, flag));
    added.push_back(std::move(token));
  }
  return added;
}

// Takes the added tokens out of `spellings` (they may be listed there too, under the same id), and
// drops the places at the end that no token needs.
void separate_added(std::vector<std::string>& spellings, const std::vector<AddedToken>& added,
                    const fs::path& file) {
  for (const AddedToken& token : added) {
    if (static_cast<size_t>(token.id) >= spellings.size())
      fail(file, fmt::format("added token '{}' has the id {}: ids must be 0..{} without gaps",
                             token.content, token.id, spellings.size() - 1));
    std::string& place = spellings[static_cast<size_t>(token.id)];
    if (!place.empty() && place != token.content)
      fail(file, fmt::format("token {} is both '{}' and '{}'", token.id, place, token.content));
    place.clear();
  }
  size_t size = spellings.size();
  const auto is_added = [&](size_t id) {
    return std::any_of(added.begin(), added.end(), [&](const AddedToken& token) {
      return static_cast<size_t>(token.id) == id;
    });
  };
  while (size > 0 && spellings[size - 1].empty() && !is_added(size - 1))
    --size;
  spellings.resize(size);
}

std::vector<std::string> pieces_of(const std::vector<std::string>& spellings,
                                   const fs::path& file) {
  std::vector<std::string> pieces(spellings.size());
  for (size_t id = 0; id < spellings.size(); ++id) {
    std::optional<std::string> bytes = unspell_bytes(spellings[id]);
    if (!bytes)
      unsupported(file,
                  fmt::format("token {} '{}', which is not spelled in the byte-level alphabet,", id,
                              spellings[id]));
    pieces[id] = *std::move(bytes);
  }
  return pieces;
}

// Looks merges up by the spelling of their parts.
class MergeReader {
 public:
  MergeReader(const std::vector<std::string>& spellings, const fs::path& file) : file_(file) {
    for (size_t id = 0; id < spellings.size(); ++id)
      if (!spellings[id].empty()) ids_.emplace(spellings[id], static_cast<Token>(id));
  }

  void add(std::string_view left, std::string_view right) {
    merges_.emplace_back(find(left), find(right));
  }

  // "a b": no spelling holds a space.
  void add_line(std::string_view line) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos)
      fail(file_, fmt::format("merge {} is not a pair: '{}'", merges_.size(), line));
    add(line.substr(0, space), line.substr(space + 1));
  }

  std::vector<Merge> take() { return std::move(merges_); }

 private:
  Token find(std::string_view spelling) const {
    const auto found = ids_.find(spelling);
    if (found == ids_.end())
      fail(file_, fmt::format("merge {} names '{}', which is not in the vocabulary", merges_.size(),
                              spelling));
    return found->second;
  }

  const fs::path& file_;
  std::unordered_map<std::string_view, Token> ids_;
  std::vector<Merge> merges_;
};

std::vector<Merge> read_merge_list(const Json& list, const std::vector<std::string>& spellings,
                                   const fs::path& file) {
  if (!list.is_array()) fail(file, "merges is not a list");
  MergeReader reader(spellings, file);
  for (const Json& item : list) {
    if (item.is_string())
      reader.add_line(item.get_ref<const std::string&>());
    else if (item.is_array() && item.size() == 2 && item[0].is_string() && item[1].is_string())
      reader.add(item[0].get_ref<const std::string&>(), item[1].get_ref<const std::string&>());
    else
      fail(file, "a merge is neither \"a b\" nor [\"a\", \"b\"]: " + brief(item));
  }
  return reader.take();
}

std::vector<Merge> read_merges_file(const fs::path& file,
                                    const std::vector<std::string>& spellings) {
  const std::string text = read_file(file);
  MergeReader reader(spellings, file);
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string_view line(text.data() + begin, end - begin);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (!line.empty() && !line.starts_with("#version")) reader.add_line(line);
    begin = end + 1;
  }
  return reader.take();
}

// The eos_token of a tokenizer_config.json beside the vocabulary, "" if it names none.
std::string configured_end(const fs::path& folder) {
  const fs::path file = folder / "tokenizer_config.json";
  if (!file_exists(file)) return {};
  const Json config = parse(file);
  if (!config.is_object()) fail(file, "not a JSON object");
  const Json& end = value_of(config, "eos_token");
  return end.is_object() ? string_of(end, "content") : string_of(config, "eos_token");
}

Token find_end_of_text(const std::vector<AddedToken>& added, const std::string& configured) {
  const std::array<std::string_view, 5> names = {configured, kEndOfText, "<|end_of_text|>", "</s>",
                                                 "<eos>"};
  for (const std::string_view name : names)
    for (const AddedToken& token : added)
      if (token.special && token.content == name) return token.id;
  return -1;
}

void check_model(const Json& model, const fs::path& file) {
  const std::string type = type_name(model);
  const bool untyped_bpe = type == "unknown" && model.contains("merges");
  if (type != "BPE" && !untyped_bpe) unsupported(file, fmt::format("the model type '{}'", type));
  for (const char* option :
       {"byte_fallback", "dropout", "continuing_subword_prefix", "end_of_word_suffix"})
    if (!is_off(value_of(model, option)))
      unsupported(file, fmt::format("a BPE model with {} = {}", option, brief(model[option])));
}

enum class Form { kBpe, kByte, kChar };

// Which of the three forms of text/tokenizer_writer.h the pre-tokenizer, decoder and merges say.
Form form_of(const Json& root, const fs::path& file) {
  const Json& normalizer = value_of(root, "normalizer");
  if (!normalizer.is_null())
    unsupported(file, fmt::format("the normalizer '{}'", type_name(normalizer)));
  const Json* split = &value_of(root, "pre_tokenizer");
  if (type_name(*split) == "Sequence") {
    const Json& parts = value_of(*split, "pretokenizers");
    if (parts.is_array() && parts.size() == 1) split = &parts[0];
  }
  const bool merges = !value_of(root["model"], "merges").empty();
  if (split->is_null() && type_name(value_of(root, "decoder")) == "Fuse" && !merges)
    return Form::kChar;
  if (type_name(*split) != "ByteLevel")
    unsupported(file, fmt::format("the pre-tokenizer '{}'", type_name(*split)));
  if (is_true(*split, "add_prefix_space")) unsupported(file, "add_prefix_space = true");
  if (value_of(*split, "use_regex") != Json(false)) return Form::kBpe;
  if (merges) unsupported(file, "a ByteLevel pre-tokenizer with use_regex = false");
  return Form::kByte;
}

// Whether the tokenizer that cllm makes of a byte or char file is exactly the one in the file.
void check_same_vocabulary(const Tokenizer& tokenizer, const std::vector<std::string>& pieces,
                           const std::vector<AddedToken>& added, const fs::path& file) {
  bool same = static_cast<size_t>(tokenizer.vocabulary_size()) == pieces.size() &&
              added.size() == 1 && added[0].id == tokenizer.end_of_text() && added[0].special &&
              added[0].content == kEndOfText;
  for (size_t id = 0; same && id < pieces.size(); ++id)
    same = tokenizer.bytes_of(static_cast<Token>(id)) == pieces[id];
  if (!same) unsupported(file, "a byte or char vocabulary in another order than that of cllm");
}

Tokenizer read_characters(const std::vector<std::string>& spellings,
                          const std::vector<AddedToken>& added, const fs::path& file) {
  std::vector<char32_t> code_points;
  for (const std::string& spelling : spellings) {
    if (spelling.empty()) continue;
    const Utf8Character character = decode_utf8(spelling, 0);
    if (character.bytes != spelling.size())
      unsupported(file, fmt::format("the token '{}' in a char vocabulary", spelling));
    code_points.push_back(character.code_point);
  }
  if (code_points.empty()) fail(file, "the vocabulary has no characters");
  Tokenizer tokenizer = Tokenizer::from_ordered_characters(code_points);
  check_same_vocabulary(tokenizer, spellings, added, file);
  return tokenizer;
}

Tokenizer read_json(const fs::path& file, const std::string& configured) {
  const Json root = parse(file);
  if (!root.is_object()) fail(file, "not a JSON object");
  const Json& model = value_of(root, "model");
  if (!model.is_object()) fail(file, "not a tokenizer.json: it has no model");
  check_model(model, file);
  const Form form = form_of(root, file);
  std::vector<AddedToken> added = read_added_tokens(value_of(root, "added_tokens"), file);
  std::vector<std::string> spellings =
      spellings_by_id(value_of(model, "vocab"), added.size(), file);
  separate_added(spellings, added, file);
  if (form == Form::kChar) return read_characters(spellings, added, file);
  std::vector<std::string> pieces = pieces_of(spellings, file);
  if (form == Form::kByte) {
    const Tokenizer tokenizer = Tokenizer::byte();
    check_same_vocabulary(tokenizer, pieces, added, file);
    return tokenizer;
  }
  BpeParts parts;
  parts.end_of_text = find_end_of_text(added, configured);
  parts.merges = read_merge_list(value_of(model, "merges"), spellings, file);
  parts.whole_pieces = is_true(model, "ignore_merges");
  parts.pieces = std::move(pieces);
  parts.added = std::move(added);
  return Tokenizer::from_bpe(std::move(parts), file.string());
}

// GPT-2's own two files do not list special tokens: <|endoftext|> is the one by agreement.
Tokenizer read_vocabulary_and_merges(const fs::path& folder) {
  const fs::path file = folder / "vocab.json";
  std::vector<std::string> spellings = spellings_by_id(parse(file), 0, file);
  std::vector<AddedToken> added;
  const auto end = std::find(spellings.begin(), spellings.end(), kEndOfText);
  if (end != spellings.end())
    added.push_back({static_cast<Token>(end - spellings.begin()), std::string(kEndOfText), true});
  separate_added(spellings, added, file);
  BpeParts parts;
  parts.pieces = pieces_of(spellings, file);
  parts.merges = read_merges_file(folder / "merges.txt", spellings);
  parts.end_of_text = find_end_of_text(added, "");
  parts.added = std::move(added);
  return Tokenizer::from_bpe(std::move(parts), folder.string());
}

}  // namespace

Tokenizer read_tokenizer(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_directory(path, ignored)) return read_json(path, configured_end(path.parent_path()));
  const fs::path json = path / "tokenizer.json";
  if (file_exists(json)) return read_json(json, configured_end(path));
  if (file_exists(path / "vocab.json") && file_exists(path / "merges.txt"))
    return read_vocabulary_and_merges(path);
  throw Error(ErrorKind::kData, path.string(), "no tokenizer.json, nor vocab.json with merges.txt",
              "name a folder that holds a tokenizer, or the tokenizer.json itself");
}

}  // namespace cllm
