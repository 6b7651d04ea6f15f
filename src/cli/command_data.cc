// cllm data: prepares and checks token folders, and gives access to the built-in corpus.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/progress.h"
#include "base/units.h"
#include "cli/field_options.h"
#include "cli/input.h"
#include "cli/program.h"
#include "cli/settings_options.h"
#include "cli/signals.h"
#include "data/prepare.h"
#include "data/story.h"
#include "data/story_grammar.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

struct PrepareFlags {
  std::vector<std::string> data;
  std::string tokenizer, out;
  bool overwrite = false;
};

// A dataset in the folder may be replaced on request; nothing else is ever touched.
void require_free(const fs::path& folder, bool overwrite) {
  std::error_code error;
  if (!fs::exists(folder) || fs::is_empty(folder, error)) return;
  if (overwrite && is_dataset_folder(folder)) return;
  throw Error(
      ErrorKind::kUsage, folder.string(),
      is_dataset_folder(folder) ? "already holds prepared data" : "is not empty",
      is_dataset_folder(folder) ? "give another --out, or --overwrite" : "give another --out");
}

int prepare(const PrepareFlags& flags, ActionContext& context) {
  require_free(flags.out, flags.overwrite);
  const Tokenizer tokenizer = Tokenizer::load(flags.tokenizer);
  const std::vector<TextSource> sources = find_sources(flags.data);
  install_signal_handlers();
  int64_t total = 0;
  for (const TextSource& source : sources)
    total += static_cast<int64_t>(source.bytes);
  make_folder(flags.out);
  tokenizer.save(fs::path(flags.out) / "tokenizer.json");
  Progress progress(context.log, "tokenising", total);
  PrepareOptions options;
  options.progress = [&](const PrepareProgress& at) {
    check_interrupt();
    progress.update(static_cast<int64_t>(at.bytes));
  };
  const TokenDataset dataset = prepare_tokens(sources, tokenizer, flags.out, options);
  if (context.global.json) {
    context.out.json({{"folder", flags.out},
                      {"tokens", dataset.size()},
                      {"documents", dataset.documents()},
                      {"text_bytes", dataset.text_bytes()},
                      {"vocabulary_size", dataset.vocabulary_size()},
                      {"vocabulary_hash", hash64_hex(tokenizer.hash())}});
  } else {
    context.out.print("{} tokens in {} documents from {}\n{}\n", dataset.size(),
                      dataset.documents(), format_bytes(static_cast<double>(dataset.text_bytes())),
                      flags.out);
  }
  return 0;
}

// A file without a header says nothing of its vocabulary; 16 bits hold no more than this.
constexpr int kRawVocabulary = 1 << 16;

struct Inspected {
  TokenDataset dataset;
  std::string vocabulary_hash;  // "" if the format has none
};

Inspected open_data(const fs::path& path) {
  if (!fs::exists(path))
    throw Error(ErrorKind::kUsage, path.string(), "does not exist",
                "give a folder of `cllm data prepare` or a token file");
  if (is_dataset_folder(path)) {
    TokenDataset dataset = TokenDataset::open(path);
    dataset.verify();
    const Json index = Json::parse(read_file(path / kDatasetIndex));
    return {std::move(dataset), index.value("vocabulary_hash", "")};
  }
  if (fs::is_directory(path))
    throw Error(ErrorKind::kData, path.string(), "holds no prepared data",
                "prepare it with `cllm data prepare`; the data of a run is in RUN/data/train");
  if (!is_token_file(path))
    throw Error(ErrorKind::kData, path.string(), "is no token file",
                "token files end in .bin or .tok; texts are prepared with `cllm data prepare`");
  const TokenShard shard = TokenShard::open(path);
  const ShardHeader* header = shard.header();
  return {
      TokenDataset::from_files(
          {path}, header == nullptr ? kRawVocabulary : static_cast<int>(header->vocabulary_size)),
      header == nullptr ? "" : hash64_hex(header->vocabulary_hash)};
}

int inspect(const std::string& path, ActionContext& context) {
  const auto [dataset, hash] = open_data(path);
  const bool known = !hash.empty();
  if (context.global.json) {
    context.out.json({{"path", path},
                      {"tokens", dataset.size()},
                      {"documents", dataset.documents()},
                      {"text_bytes", dataset.text_bytes()},
                      {"vocabulary_size", known ? Json(dataset.vocabulary_size()) : Json(nullptr)},
                      {"vocabulary_hash", known ? Json(hash) : Json(nullptr)},
                      {"verified", true}});
    return 0;
  }
  context.out.print("tokens           {}\n", dataset.size());
  context.out.print("documents        {}\n", dataset.documents());
  if (dataset.text_bytes() > 0) context.out.print("bytes of text    {}\n", dataset.text_bytes());
  if (known) {
    context.out.print("vocabulary size  {}\n", dataset.vocabulary_size());
    context.out.print("vocabulary hash  {}\n", hash);
  }
  context.out.print("{}\n", known ? "checksums and token ids are right"
                                  : "readable; the format has no checksums and no vocabulary");
  return 0;
}

struct StorySettings {
  int64_t bytes = 100000;
  int64_t seed = 1337;
  StorySplit split = StorySplit::kTrain;
  void list(FieldList& fields) {
    static constexpr EnumName<StorySplit> kNames[] = {{StorySplit::kTrain, "train"},
                                                      {StorySplit::kValidation, "validation"}};
    fields.add("bytes", bytes, {.help = "at least so much text", .minimum = 1});
    fields.add("seed", seed, {.help = "other seeds give other stories", .minimum = 0});
    fields.add("split", split, kNames, {.help = "no story is in both splits"});
  }
};

int stories(const FieldOptions& options, ActionContext& context) {
  StorySettings settings;
  SettingsBinder binder;
  binder.add_section("stories", settings);
  options.apply(binder);
  Json list = Json::array();
  generate_stories(static_cast<uint64_t>(settings.seed), settings.split,
                   static_cast<uint64_t>(settings.bytes), [&](std::string_view story) {
                     if (context.global.json)
                       list.push_back(story);
                     else
                       context.out.print("{}\n", story);
                   });
  if (context.global.json) context.out.json({{"stories", list}});
  return 0;
}

int score(const std::string& path, ActionContext& context) {
  std::string text = read_text(path);
  // The newline that ends a file or an output would end a sentence that is cut off.
  if (text.ends_with('\n')) text.pop_back();
  const GrammarScore result = score_text(text);
  if (result.sentences == 0)
    throw Error(ErrorKind::kData, path == "-" ? "standard input" : path, "has no whole sentence",
                "give a text with sentences that end in . ! or ?");
  if (context.global.json) {
    context.out.json({{"sentences", result.sentences},
                      {"accepted", result.accepted},
                      {"share", result.share()},
                      {"first_rejected", result.first_rejected}});
    return 0;
  }
  context.out.print("{:.1f} % of {} sentences follow the story grammar\n", 100 * result.share(),
                    result.sentences);
  for (const std::string& sentence : result.first_rejected)
    context.out.print("rejected: {}\n", sentence);
  return 0;
}

void add_prepare(Program& program, CLI::App& group) {
  CLI::App* command =
      add_command(program, group, "prepare", "Turn texts into tokens once, for many runs",
                  "  cllm data prepare --data notes/ --tokenizer vocabulary --out prepared\n"
                  "  cllm train --data prepared --preset baby --out runs/notes");
  auto flags = std::make_shared<PrepareFlags>();
  command->add_option("--data", flags->data, "texts: files, folders, or - for standard input")
      ->type_name("PATH")
      ->required();
  command
      ->add_option("--tokenizer", flags->tokenizer,
                   "a run, a folder with a tokenizer, or a tokenizer.json")
      ->type_name("PATH")
      ->required();
  command->add_option("--out", flags->out, "folder for the tokens")
      ->type_name("FOLDER")
      ->required();
  command->add_flag("--overwrite", flags->overwrite, "replace prepared data in that folder");
  command->callback([&program, flags] {
    program.action = [flags](ActionContext& context) { return prepare(*flags, context); };
  });
}

void add_stories(Program& program, CLI::App& group) {
  CLI::App* command =
      add_command(program, group, "stories", "Print the built-in corpus, one story per line",
                  "  cllm data stories --bytes 1M > stories.txt\n"
                  "  cllm data stories --split validation --seed 7");
  auto options = std::make_shared<FieldOptions>();
  options->add_section<StorySettings>(*command, "stories");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return stories(*options, context); };
  });
}

}  // namespace

void add_data(Program& program) {
  CLI::App* group =
      add_command_group(program, "data", "Prepare and check training data",
                        "  cllm data prepare --data notes/ --tokenizer vocabulary --out prepared\n"
                        "  cllm data inspect prepared\n"
                        "  cllm generate runs/demo | cllm data score -");
  add_prepare(program, *group);

  CLI::App* command = add_command(program, *group, "inspect", "Describe and verify prepared data",
                                  "  cllm data inspect prepared\n  cllm data inspect train.bin");
  auto path = std::make_shared<std::string>();
  command->add_option("PATH", *path, "folder of `cllm data prepare`, or a token file")->required();
  command->callback([&program, path] {
    program.action = [path](ActionContext& context) { return inspect(*path, context); };
  });

  add_stories(program, *group);

  command =
      add_command(program, *group, "score",
                  "Share of sentences that the grammar of the built-in corpus accepts",
                  "  cllm generate runs/demo | cllm data score -\n  cllm data score text.txt");
  auto file = std::make_shared<std::string>("-");
  command->add_option("FILE", *file, "a text, or - for standard input");
  command->callback([&program, file] {
    program.action = [file](ActionContext& context) { return score(*file, context); };
  });
}

}  // namespace cllm::cli
