#include "text/tokenizer_reader.h"

#include <nlohmann/json.hpp>

#include "text/bpe_trainer.h"
#include "text/renumber.h"
#include "text/text_test_files.h"
#include "text/tokenizer_writer.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

Tokenizer small_bpe() {
  return Tokenizer::from_bpe(small_bpe_parts({{"a", "b"}, {" ", "ab"}, {"\n", "\n"}}));
}

Json good_json() {
  return Json::parse(tokenizer_json(small_bpe()));
}

// Writes the text as tokenizer.json and returns the Error of reading it, which names the file.
std::string refused(const std::string& text) {
  const TestFolder folder;
  write_file(folder / "tokenizer.json", text);
  const std::string line =
      error_of(ErrorKind::kData, [&] { Tokenizer::load(folder / "tokenizer.json"); });
  EXPECT_NE(line.find("tokenizer.json: "), std::string::npos) << line;
  return line;
}

std::string refused_change(const std::function<void(Json&)>& change) {
  Json json = good_json();
  change(json);
  return refused(json.dump());
}

Tokenizer reread(const std::string& text) {
  const TestFolder folder;
  write_file(folder / "tokenizer.json", text);
  return Tokenizer::load(folder / "tokenizer.json");
}

TEST(TokenizerReader, SavedTokenizersComeBackExactly) {
  const TestFolder folder;
  const Tokenizer characters =
      Tokenizer::from_characters({'a', 'b', ' ', '"', '\\', '\n', 0xE9, 0x1F600});
  const std::vector<Token> ids = {7, 6, 5, 4, 3, 2, 1, 0, 8};
  for (const Tokenizer& tokenizer :
       {Tokenizer::byte(), small_bpe(), characters, renumbered(characters, ids)}) {
    tokenizer.save(folder / "tokenizer.json");
    const Tokenizer loaded = Tokenizer::load(folder.path());
    EXPECT_EQ(loaded.kind(), tokenizer.kind());
    EXPECT_EQ(loaded.hash(), tokenizer.hash());
    EXPECT_EQ(loaded.end_of_text(), tokenizer.end_of_text());
    EXPECT_EQ(encode(loaded, "ab a\n\"\\\u00e9"), encode(tokenizer, "ab a\n\"\\\u00e9"));
    EXPECT_EQ(tokenizer_json(loaded), tokenizer_json(tokenizer));
  }
}

TEST(TokenizerReader, VocabularyAndMergesComeBack) {
  const TestFolder folder;
  small_bpe().save_folder(folder.path(), 64);
  fs::remove(folder / "tokenizer.json");
  const Tokenizer loaded = Tokenizer::load(folder.path());
  EXPECT_EQ(tokenizer_json(loaded), tokenizer_json(small_bpe()));
  write_file(folder / "merges.txt", "#version: 0.2\r\na b\r\n");
  EXPECT_EQ(Tokenizer::load(folder.path()).merges().size(), 1u);
  write_file(folder / "merges.txt", "a b\na\n");
  error_of(ErrorKind::kData, [&] { Tokenizer::load(folder.path()); });
  write_file(folder / "merges.txt", "a b\na zzz\n");
  const std::string line = error_of(ErrorKind::kData, [&] { Tokenizer::load(folder.path()); });
  EXPECT_NE(line.find("merges.txt: merge 1 names 'zzz'"), std::string::npos) << line;
}

TEST(TokenizerReader, BothFormsOfMerges) {
  Json json = good_json();
  for (Json& merge : json["model"]["merges"]) {
    const std::string text = merge;
    const size_t space = text.find(' ');
    merge = Json::array({text.substr(0, space), text.substr(space + 1)});
  }
  EXPECT_EQ(tokenizer_json(reread(json.dump())), tokenizer_json(small_bpe()));
}

// Added tokens beyond the vocabulary, another end of text, ignore_merges, a post-processor, no
// model type.
TEST(TokenizerReader, LlamaStyleFile) {
  Json json = good_json();
  json["model"]["vocab"].erase("<|endoftext|>");
  json["model"].erase("type");
  json["model"]["ignore_merges"] = true;
  json["post_processor"] = {{"type", "TemplateProcessing"}};
  json["added_tokens"] =
      Json::array({{{"id", 259}, {"content", "<|begin_of_text|>"}, {"special", true}},
                   {{"id", 260}, {"content", "<|end_of_text|>"}, {"special", true}},
                   {{"id", 261}, {"content", "<tool>"}, {"special", false}}});
  const Tokenizer tokenizer = reread(json.dump());
  EXPECT_EQ(tokenizer.vocabulary_size(), 262);
  EXPECT_EQ(tokenizer.end_of_text(), 260);
  EXPECT_TRUE(tokenizer.whole_pieces());
  EXPECT_EQ(encode(tokenizer, "ab<tool>"), (std::vector<Token>{256, 261}));
  EXPECT_EQ(tokenizer_json(reread(tokenizer_json(tokenizer))), tokenizer_json(tokenizer));
}

TEST(TokenizerReader, EndOfTextFromTheConfig) {
  const TestFolder folder;
  Json json = good_json();
  json["added_tokens"].push_back({{"id", 260}, {"content", "<|eot|>"}, {"special", true}});
  write_file(folder / "tokenizer.json", json.dump());
  EXPECT_EQ(Tokenizer::load(folder.path()).end_of_text(), 259);
  write_file(folder / "tokenizer_config.json", R"({"eos_token": {"content": "<|eot|>"}})");
  EXPECT_EQ(Tokenizer::load(folder.path()).end_of_text(), 260);
  EXPECT_EQ(Tokenizer::load(folder / "tokenizer.json").end_of_text(), 260);
  write_file(folder / "tokenizer_config.json", R"({"eos_token": "<|eot|>")");
  error_of(ErrorKind::kData, [&] { Tokenizer::load(folder.path()); });
}

TEST(TokenizerReader, MissingAndEmpty) {
  const TestFolder folder;
  const std::string line = error_of(ErrorKind::kData, [&] { Tokenizer::load(folder.path()); });
  EXPECT_NE(line.find("no tokenizer.json"), std::string::npos);
  error_of(ErrorKind::kData, [&] { Tokenizer::load(folder / "absent.json"); });
  for (const char* text :
       {"", "{", "[]", "null", "17", "{}", R"({"model": 3})", R"({"model": {}})"})
    refused(text);
}

TEST(TokenizerReader, UnsupportedKindsSayWhatIsSupported) {
  const auto unsupported = [](const std::function<void(Json&)>& change) {
    const std::string line = refused_change(change);
    EXPECT_NE(line.find("not supported; supported: byte-level BPE"), std::string::npos) << line;
  };
  for (const char* type : {"Unigram", "WordPiece", "WordLevel"})
    unsupported([&](Json& json) { json["model"]["type"] = type; });
  unsupported([](Json& json) { json["model"]["byte_fallback"] = true; });
  unsupported([](Json& json) { json["model"]["dropout"] = 0.1; });
  unsupported([](Json& json) { json["model"]["end_of_word_suffix"] = "</w>"; });
  unsupported([](Json& json) { json["normalizer"] = {{"type", "NFC"}}; });
  unsupported([](Json& json) { json["pre_tokenizer"] = nullptr; });
  unsupported([](Json& json) { json["pre_tokenizer"] = {{"type", "Metaspace"}}; });
  unsupported([](Json& json) { json["pre_tokenizer"]["add_prefix_space"] = true; });
  unsupported([](Json& json) { json["pre_tokenizer"]["use_regex"] = false; });
  unsupported([](Json& json) {
    json["model"]["vocab"]["\u2581a"] = 260;
    json["model"]["vocab"]["<|endoftext|>"] = 259;
  });
  unsupported([](Json& json) {
    json["added_tokens"].push_back(
        {{"id", 260}, {"content", "x y"}, {"special", false}, {"lstrip", true}});
  });
}

TEST(TokenizerReader, InconsistentFiles) {
  const auto vocab = [](const char* token, const Json& id) {
    return [=](Json& json) { json["model"]["vocab"][token] = id; };
  };
  EXPECT_NE(refused_change(vocab("ab", 255)).find("same id 255"), std::string::npos);
  for (const Json& id : {Json(-1), Json(260), Json(1u << 31), Json(UINT64_MAX), Json(1e300),
                         Json("7"), Json(), Json(2.5), Json::array()})
    refused_change(vocab("ab", id));
  refused_change(vocab("", 260));
  refused_change([](Json& json) { json["model"]["vocab"].erase("a"); });  // a gap
  refused_change([](Json& json) { json["model"]["vocab"] = Json::object(); });
  refused_change([](Json& json) { json["model"]["vocab"] = Json::array({"a"}); });
  refused_change([](Json& json) { json["model"]["merges"] = 5; });
  refused_change([](Json& json) { json["model"]["merges"].push_back("ab"); });
  refused_change([](Json& json) { json["model"]["merges"].push_back("a b"); });  // twice
  refused_change([](Json& json) { json["model"]["merges"].push_back("a zzz"); });
  refused_change([](Json& json) { json["model"]["merges"].push_back("a b c"); });
  refused_change([](Json& json) { json["model"]["merges"].push_back("b a"); });  // "ba" is no token
  refused_change([](Json& json) { json["model"]["merges"].push_back(Json::array({"a", 3})); });
  refused_change([](Json& json) { json["added_tokens"] = 3; });
  refused_change([](Json& json) { json["added_tokens"][0] = 3; });
  refused_change([](Json& json) { json["added_tokens"][0]["id"] = 97; });
  refused_change([](Json& json) { json["added_tokens"][0]["id"] = 2000000000; });
  refused_change([](Json& json) { json["added_tokens"][0]["id"] = 1e18; });
  refused_change([](Json& json) { json["added_tokens"][0].erase("content"); });
  refused_change([](Json& json) { json["added_tokens"].push_back(json["added_tokens"][0]); });
  refused_change([](Json& json) { json["model"]["merges"].push_back("<|endoftext|> a"); });
}

// Hostile files end in an Error or a tokenizer that round-trips, never in a crash.
TEST(TokenizerReader, TruncatedAndFlippedFiles) {
  const std::string good = tokenizer_json(small_bpe());
  const TestFolder folder;
  const auto survives = [&](const std::string& text) {
    write_file(folder / "tokenizer.json", text);
    try {
      const Tokenizer tokenizer = Tokenizer::load(folder / "tokenizer.json");
      if (tokenizer.kind() != TokenizerKind::kChar) {
        EXPECT_EQ(tokenizer.decode(encode(tokenizer, "ab \n\xFF")), "ab \n\xFF");
      }
    } catch (const Error& error) {
      EXPECT_EQ(static_cast<int>(error.kind()), static_cast<int>(ErrorKind::kData));
      EXPECT_NE(std::string(error.what()).find("tokenizer.json"), std::string::npos);
    }
  };
  for (size_t bytes = 0; bytes + 2 < good.size(); bytes += 97)
    refused(good.substr(0, bytes));
  PhiloxSequence random(Philox(12, RandomStream::kTest), 0);
  for (int round = 0; round < 300; ++round) {
    std::string text = good;
    text[random.below(text.size())] ^= static_cast<char>(1 << random.below(8));
    survives(text);
  }
  // Nesting that overflows the stack of whoever recurses, everywhere a value is looked at.
  const std::string deep = std::string(200000, '[') + std::string(200000, ']');
  survives(deep);
  for (const char* place :
       {"\"dropout\": null", "\"ab\": 256", "\"a b\"", "\"id\":259", "\"pre_tokenizer\": {",
        "\"normalizer\": null", "\"added_tokens\": ["}) {
    const std::string name(place);
    const size_t at = good.find(name);
    ASSERT_NE(at, std::string::npos) << name;
    const size_t colon = name.find(':');
    const size_t skip = colon == std::string::npos ? 0 : colon + 1;
    std::string text = good;
    if (name.ends_with('{') || name.ends_with('['))
      text.insert(at + name.size() - 1, deep + ", \"rest\": ");
    else
      text.replace(at + skip, name.size() - skip, deep);
    survives(text);
  }
}

}  // namespace
}  // namespace cllm
