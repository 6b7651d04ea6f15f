#include "text/tokenizer_writer.h"

#include <nlohmann/json.hpp>

#include "text/text_test_files.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

Tokenizer small_bpe() {
  return Tokenizer::from_bpe(small_bpe_parts({{" ", "a"}, {" a", "\n"}}));
}

TEST(TokenizerWriter, ByteLevelBpe) {
  const Json json = Json::parse(tokenizer_json(small_bpe()));
  EXPECT_EQ(json["version"], "1.0");
  EXPECT_EQ(json["model"]["type"], "BPE");
  EXPECT_EQ(json["model"]["vocab"]["\u0120a\u010A"], 257);
  EXPECT_EQ(json["model"]["vocab"]["<|endoftext|>"], 258);
  EXPECT_EQ(json["model"]["merges"], Json::array({"\u0120 a", "\u0120a \u010A"}));
  EXPECT_EQ(json["added_tokens"][0]["content"], "<|endoftext|>");
  EXPECT_EQ(json["added_tokens"][0]["special"], true);
  EXPECT_EQ(json["pre_tokenizer"]["type"], "ByteLevel");
  EXPECT_EQ(json["pre_tokenizer"]["use_regex"], true);
  EXPECT_EQ(json["pre_tokenizer"]["add_prefix_space"], false);
  EXPECT_EQ(json["decoder"]["type"], "ByteLevel");
  for (const char* key : {"truncation", "padding", "normalizer"})
    EXPECT_TRUE(json[key].is_null());
}

// Readers in Rust fail on a field they do not know, so the set of keys is fixed.
TEST(TokenizerWriter, OnlyFieldsOfTheFormat) {
  for (const Tokenizer& tokenizer :
       {small_bpe(), Tokenizer::byte(), Tokenizer::from_characters({'a', 0xE9})}) {
    const Json json = Json::parse(tokenizer_json(tokenizer));
    EXPECT_EQ(json.size(), 9u);
    EXPECT_EQ(json["model"].size(), 10u);
  }
}

TEST(TokenizerWriter, Folder) {
  const TestFolder folder;
  small_bpe().save_folder(folder.path(), 128);
  const Json config = Json::parse(read_file(folder / "tokenizer_config.json"));
  EXPECT_EQ(config["tokenizer_class"], "PreTrainedTokenizerFast");
  EXPECT_EQ(config["model_max_length"], 128);
  EXPECT_EQ(config["eos_token"], "<|endoftext|>");
  EXPECT_EQ(config["clean_up_tokenization_spaces"], false);
  EXPECT_EQ(Json::parse(read_file(folder / "special_tokens_map.json"))["bos_token"],
            "<|endoftext|>");
  EXPECT_EQ(read_file(folder / "merges.txt"), "#version: 0.2\n\u0120 a\n\u0120a \u010A\n");
  EXPECT_EQ(Json::parse(read_file(folder / "vocab.json")).size(), 259u);
}

TEST(TokenizerWriter, NoFolderIsARuntimeError) {
  const TestFolder folder;
  error_of(ErrorKind::kRuntime,
           [&] { Tokenizer::byte().save(folder / "absent" / "tokenizer.json"); });
  error_of(ErrorKind::kRuntime, [&] { Tokenizer::byte().save_folder(folder / "absent", 8); });
}

}  // namespace
}  // namespace cllm
