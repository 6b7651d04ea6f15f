// cllm tokenizer: makes vocabularies, and turns text into token ids and back.
#include <charconv>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/error.h"
#include "cli/field_options.h"
#include "cli/input.h"
#include "cli/program.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "train/corpus.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

// What Hugging Face writes for "no limit"; the model that will use the vocabulary is not known yet.
constexpr int64_t kNoContextLimit = int64_t{1000000000000000};

struct MakeOptions {
  std::vector<std::string> data;
  std::string out;
  bool overwrite = false;
  FieldOptions fields;
};

struct UseOptions {
  std::string tokenizer;
  std::vector<std::string> words;  // texts or ids
  bool special = false;
  bool vocabulary = false;
};

Json describe(const Tokenizer& tokenizer) {
  Json special = Json::object();
  for (const AddedToken& token : tokenizer.added_tokens())
    if (token.special) special[token.content] = token.id;
  const Token end = tokenizer.end_of_text();
  return {{"kind", tokenizer_kind_name(tokenizer.kind())},
          {"vocabulary_size", tokenizer.vocabulary_size()},
          {"merges", tokenizer.merges().size()},
          {"end_of_text", end < 0 ? Json(nullptr) : Json(end)},
          {"special_tokens", special},
          {"hash", hash64_hex(tokenizer.hash())}};
}

void print_description(const Tokenizer& tokenizer, Output& out) {
  out.print("kind             {}\n", tokenizer_kind_name(tokenizer.kind()));
  out.print("vocabulary size  {}\n", tokenizer.vocabulary_size());
  if (tokenizer.kind() == TokenizerKind::kBpe)
    out.print("merges           {}\n", tokenizer.merges().size());
  for (const AddedToken& token : tokenizer.added_tokens())
    if (token.special) out.print("special token    {} {}\n", token.id, token.content);
  out.print("hash             {}\n", hash64_hex(tokenizer.hash()));
}

void require_no_tokenizer(const fs::path& folder) {
  if (fs::exists(folder / "tokenizer.json"))
    throw Error(ErrorKind::kUsage, folder.string(), "already holds a tokenizer",
                "give another --out, or --overwrite");
}

int make(const MakeOptions& options, ActionContext& context) {
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  binder.apply_environment();
  options.fields.apply(binder);
  apply_data(options.data, settings);
  settings.data.validation_fraction = 0;  // all of the text counts
  if (!options.overwrite) require_no_tokenizer(options.out);
  install_signal_handlers();
  const ScratchFolder scratch;
  const Tokenizer tokenizer =
      make_tokenizer(settings, scratch.path(), context.log, [] { return stop_signal() != 0; });
  make_folder(options.out);
  tokenizer.save_folder(options.out, kNoContextLimit);
  if (context.global.json) {
    Json json = describe(tokenizer);
    json["folder"] = options.out;
    context.out.json(json);
  } else {
    print_description(tokenizer, context.out);
    context.out.print("folder           {}\n", options.out);
  }
  return 0;
}

int encode(const UseOptions& options, ActionContext& context) {
  const Tokenizer tokenizer = Tokenizer::load(options.tokenizer);
  const std::string text =
      options.words.empty() ? read_text("-") : fmt::format("{}", fmt::join(options.words, " "));
  std::vector<Token> tokens;
  const TextPlace place{.name = options.words.empty() ? "standard input" : "the text"};
  if (options.special)
    tokenizer.encode_with_special_tokens(text, tokens, place);
  else
    tokenizer.encode(text, tokens, place);
  if (!context.global.json) {
    context.out.print("{}\n", fmt::join(tokens, " "));
    return 0;
  }
  Json pieces = Json::array();
  for (const Token token : tokens)
    pieces.push_back(tokenizer.display(token));
  context.out.json({{"ids", tokens}, {"pieces", pieces}});
  return 0;
}

std::vector<Token> parse_ids(const std::vector<std::string>& words) {
  std::vector<Token> tokens;
  for (const std::string& word : words) {
    std::string_view text = word;
    if (text.ends_with(',')) text.remove_suffix(1);
    Token token = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), token);
    if (error != std::errc{} || end != text.data() + text.size())
      throw Error(ErrorKind::kUsage, "", fmt::format("'{}' is no token id", word),
                  "give whole numbers, as `cllm tokenizer encode` prints them");
    tokens.push_back(token);
  }
  return tokens;
}

int decode(const UseOptions& options, ActionContext& context) {
  const Tokenizer tokenizer = Tokenizer::load(options.tokenizer);
  std::vector<std::string> words = options.words;
  if (words.empty()) {
    std::istringstream input(read_text("-"));
    for (std::string word; input >> word;)
      words.push_back(word);
  }
  const std::string text = tokenizer.decode(parse_ids(words));
  if (context.global.json) {
    context.out.json({{"text", text}});
    return 0;
  }
  // Byte for byte, so that it can be compared with what was encoded.
  context.out.write(text);
  if (context.out.is_terminal()) context.out.write("\n");
  return 0;
}

int inspect(const UseOptions& options, ActionContext& context) {
  const Tokenizer tokenizer = Tokenizer::load(options.tokenizer);
  Json json = describe(tokenizer);
  if (!context.global.json) print_description(tokenizer, context.out);
  if (options.vocabulary) {
    json["vocabulary"] = Json::array();
    for (Token token = 0; token < tokenizer.vocabulary_size(); ++token) {
      if (context.global.json)
        json["vocabulary"].push_back(tokenizer.display(token));
      else
        context.out.print("{}\t{}\n", token, tokenizer.display(token));
    }
  }
  if (context.global.json) context.out.json(json);
  return 0;
}

void add_make(Program& program, CLI::App& group) {
  CLI::App* command = add_command(
      program, group, "train", "Make a vocabulary from texts",
      "  cllm tokenizer train --data notes/ --kind bpe --vocabulary-size 4096 --out vocabulary\n"
      "  cllm tokenizer train --data stories --kind char --out characters");
  auto options = std::make_shared<MakeOptions>();
  add_data_option(*command, options->data)->required();
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  options->fields.add(*command, "--kind", setting(binder, "tokenizer.kind"));
  options->fields.add(*command, "--vocabulary-size", setting(binder, "tokenizer.vocabulary_size"));
  command->add_option("--out", options->out, "folder for the tokenizer")
      ->type_name("FOLDER")
      ->required();
  command->add_flag("--overwrite", options->overwrite, "replace a tokenizer in that folder");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return make(*options, context); };
  });
}

using Use = int (*)(const UseOptions&, ActionContext&);

// A command that loads the tokenizer named by its first argument.
CLI::App* add_use(Program& program, CLI::App& group, const std::string& name,
                  const std::string& description, const std::string& examples,
                  const std::shared_ptr<UseOptions>& options, Use use) {
  CLI::App* command = add_command(program, group, name, description, examples);
  command
      ->add_option("TOKENIZER", options->tokenizer,
                   "a run, a folder with a tokenizer, or a tokenizer.json")
      ->required();
  command->callback([&program, options, use] {
    program.action = [options, use](ActionContext& context) { return use(*options, context); };
  });
  return command;
}

}  // namespace

void add_tokenizer(Program& program) {
  CLI::App* group = add_command_group(
      program, "tokenizer", "Make and use vocabularies",
      "  cllm tokenizer train --data notes/ --kind bpe --vocabulary-size 4096 --out vocabulary\n"
      "  cllm tokenizer encode runs/demo \"One day\"");
  add_make(program, *group);

  auto options = std::make_shared<UseOptions>();
  CLI::App* command = add_use(program, *group, "encode", "Show the token ids of a text",
                              "  cllm tokenizer encode runs/demo \"One day\"\n"
                              "  cllm tokenizer encode vocabulary --json < book.txt",
                              options, encode);
  command->add_option("TEXT", options->words, "the text (default: standard input)");
  command->add_flag("--special", options->special,
                    "understand special tokens such as <|endoftext|> in the text");

  options = std::make_shared<UseOptions>();
  command = add_use(program, *group, "decode", "Show the text of token ids",
                    "  cllm tokenizer decode runs/demo 12 7 33\n"
                    "  cllm tokenizer encode vocabulary < a.txt | cllm tokenizer decode vocabulary",
                    options, decode);
  command->add_option("ID", options->words, "token ids (default: standard input)");

  options = std::make_shared<UseOptions>();
  command = add_use(program, *group, "inspect", "Describe a vocabulary",
                    "  cllm tokenizer inspect runs/demo\n"
                    "  cllm tokenizer inspect vocabulary --vocabulary",
                    options, inspect);
  command->add_flag("--vocabulary", options->vocabulary, "list every token");
  add_tokenizer_factor(program, *group);
}

}  // namespace cllm::cli
