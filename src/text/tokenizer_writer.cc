#include "text/tokenizer_writer.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "text/byte_alphabet.h"
#include "text/tokenizer.h"

namespace cllm {
namespace {

using Json = nlohmann::ordered_json;

// The name of a token in the vocabulary: its content, its characters, or its bytes in the byte
// alphabet.
std::string spelling(const Tokenizer& tokenizer, Token id) {
  for (const AddedToken& token : tokenizer.added_tokens())
    if (token.id == id) return token.content;
  const std::string_view bytes = tokenizer.bytes_of(id);
  return tokenizer.kind() == TokenizerKind::kChar ? std::string(bytes) : spell_bytes(bytes);
}

// By hand: an ordered_json object looks for the key at each insertion, which is quadratic.
std::string vocabulary_text(const Tokenizer& tokenizer, const char* separator) {
  std::string text;
  for (Token id = 0; id < tokenizer.vocabulary_size(); ++id)
    text +=
        fmt::format("{}{}: {}", id == 0 ? "" : separator, Json(spelling(tokenizer, id)).dump(), id);
  return text;
}

std::string merge_text(const Tokenizer& tokenizer, const Merge& merge) {
  return spell_bytes(tokenizer.bytes_of(merge.first)) + " " +
         spell_bytes(tokenizer.bytes_of(merge.second));
}

Json added_tokens(const Tokenizer& tokenizer) {
  Json list = Json::array();
  for (const AddedToken& token : tokenizer.added_tokens())
    list.push_back({{"id", token.id},
                    {"content", token.content},
                    {"single_word", false},
                    {"lstrip", false},
                    {"rstrip", false},
                    {"normalized", false},
                    {"special", token.special}});
  return list;
}

Json byte_level(bool split) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", split}};
}

std::string model_text(const Tokenizer& tokenizer) {
  const Json options = {{"type", "BPE"},
                        {"dropout", nullptr},
                        {"unk_token", nullptr},
                        {"continuing_subword_prefix", nullptr},
                        {"end_of_word_suffix", nullptr},
                        {"fuse_unk", false},
                        {"byte_fallback", false},
                        {"ignore_merges", tokenizer.whole_pieces()}};
  std::string text = "{\n";
  for (const auto& [key, value] : options.items())
    text += fmt::format("    {}: {},\n", Json(key).dump(), value.dump());
  text += "    \"vocab\": {\n      " + vocabulary_text(tokenizer, ",\n      ") + "\n    },\n";
  text += "    \"merges\": [";
  const char* separator = "\n      ";
  for (const Merge& merge : tokenizer.merges()) {
    text += separator + Json(merge_text(tokenizer, merge)).dump();
    separator = ",\n      ";
  }
  return text + "\n    ]\n  }";
}

Json special_tokens(const Tokenizer& tokenizer) {
  Json map = Json::object();
  if (tokenizer.end_of_text() < 0) return map;
  const std::string content = tokenizer.display(tokenizer.end_of_text());
  for (const char* name : {"bos_token", "eos_token", "unk_token"})
    map[name] = content;
  return map;
}

void write_vocabulary_and_merges(const Tokenizer& tokenizer, const fs::path& folder) {
  write_file(folder / "vocab.json", "{" + vocabulary_text(tokenizer, ", ") + "}\n");
  std::string merges = "#version: 0.2\n";
  for (const Merge& merge : tokenizer.merges())
    merges += merge_text(tokenizer, merge) + "\n";
  write_file(folder / "merges.txt", merges);
}

}  // namespace

std::string tokenizer_json(const Tokenizer& tokenizer) {
  const bool characters = tokenizer.kind() == TokenizerKind::kChar;
  const Json split = characters ? Json() : byte_level(tokenizer.kind() == TokenizerKind::kBpe);
  const Json join = characters ? Json::object({{"type", "Fuse"}}) : byte_level(true);
  return fmt::format(
      "{{\n  \"version\": \"1.0\",\n  \"truncation\": null,\n  \"padding\": null,\n"
      "  \"added_tokens\": {},\n  \"normalizer\": null,\n  \"pre_tokenizer\": {},\n"
      "  \"post_processor\": null,\n  \"decoder\": {},\n  \"model\": {}\n}}\n",
      added_tokens(tokenizer).dump(), split.dump(), join.dump(), model_text(tokenizer));
}

void write_tokenizer_folder(const Tokenizer& tokenizer, const fs::path& folder,
                            int64_t model_max_length) {
  Json config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"model_max_length", model_max_length},
                 {"clean_up_tokenization_spaces", false}};
  const Json special = special_tokens(tokenizer);
  config.update(special);
  write_file(folder / "tokenizer.json", tokenizer_json(tokenizer));
  write_file(folder / "tokenizer_config.json", config.dump(2) + "\n");
  write_file(folder / "special_tokens_map.json", special.dump(2) + "\n");
  if (tokenizer.kind() == TokenizerKind::kBpe) write_vocabulary_and_merges(tokenizer, folder);
}

}  // namespace cllm
