#include "train/corpus.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/progress.h"
#include "data/prepare.h"
#include "data/source.h"
#include "data/story.h"
#include "text/bpe_trainer.h"
#include "text/char_vocabulary.h"
#include "train/interrupted.h"

namespace cllm {
namespace {

// Held-out stories per byte of training stories.
constexpr double kStoryValidationShare = 0.05;
// The largest char vocabulary that "auto" prefers to BPE.
constexpr int kAutoCharLimit = 257;

// Where standard input is kept.
constexpr const char* kInputCopy = "input.txt";
// Checksums of tokens that are used where they are.
constexpr const char* kTokenFingerprint = "tokens.txt";

struct Inputs {
  std::vector<std::string> train, validation;  // paths, standard input already in a file
};

bool holds_tokens(const std::string& path) {
  return is_token_file(path) || is_dataset_folder(path);
}

// Whether these inputs are tokens, which are used where they are, instead of texts.
bool are_tokens(const DataSettings& data) {
  std::vector<std::string> all = data.train;
  all.insert(all.end(), data.validation.begin(), data.validation.end());
  const auto tokens = std::ranges::count_if(all, holds_tokens);
  if (tokens > 0 && tokens < std::ssize(all))
    throw Error(ErrorKind::kUsage, *std::ranges::find_if(all, holds_tokens),
                "tokens cannot be mixed with texts", "give only tokens or only texts");
  return tokens > 0;
}

// A folder of `cllm data prepare`, or token files.
std::unique_ptr<const TokenDataset> open_tokens(const std::vector<std::string>& paths,
                                                const Tokenizer& tokenizer) {
  if (paths.size() == 1 && is_dataset_folder(paths.front())) {
    TokenDataset dataset = TokenDataset::open(paths.front());
    dataset.require_vocabulary(tokenizer);
    return std::make_unique<TokenDataset>(std::move(dataset));
  }
  for (const std::string& path : paths)
    if (is_dataset_folder(path))
      throw Error(ErrorKind::kUsage, path, "a prepared folder cannot be combined with others",
                  "prepare all texts into one folder");
  TokenDataset dataset =
      TokenDataset::from_files({paths.begin(), paths.end()}, tokenizer.vocabulary_size());
  dataset.require_vocabulary(tokenizer);
  return std::make_unique<TokenDataset>(std::move(dataset));
}

void open_all_tokens(const DataSettings& data, Corpus& corpus) {
  corpus.train_data = open_tokens(data.train, corpus.tokenizer);
  if (!data.validation.empty())
    corpus.validation_data = open_tokens(data.validation, corpus.tokenizer);
}

// A line per file of tokens with its checksum; a prepared folder stands for its index, which lists
// the checksums of its files.
std::string token_fingerprint(const DataSettings& data) {
  std::string lines;
  for (const auto* paths : {&data.train, &data.validation})
    for (const fs::path path : *paths) {
      const fs::path file = is_dataset_folder(path) ? path / kDatasetIndex : path;
      lines += fmt::format("{} {}\n", hash64_hex(file_hash64(file)), path.string());
    }
  return lines;
}

void require_same_tokens(const DataSettings& data, const fs::path& fingerprint) {
  if (read_file(fingerprint) != token_fingerprint(data))
    throw Error(
        ErrorKind::kData, data.train.front(), "the tokens are not those the run began with",
        fmt::format("restore the files listed in {}, or start a new run", fingerprint.string()));
}

class Maker {
 public:
  Maker(const RunSettings& settings, const fs::path& folder, Log& log,
        const std::function<bool()>& interrupted)
      : settings_(settings), folder_(folder), log_(log), interrupted_(interrupted) {}

  Corpus make() {
    if (settings_.data.stories == 0 && are_tokens(settings_.data)) {
      Corpus corpus{tokenizer_of_tokens(), nullptr, nullptr, {}, {}};
      open_all_tokens(settings_.data, corpus);
      write_file(folder_ / kTokenFingerprint, token_fingerprint(settings_.data));
      return corpus;
    }
    const Inputs inputs = find_inputs();
    Corpus corpus{make_tokenizer(inputs), nullptr, nullptr, {}, {}};
    corpus.train_data = tokenise(inputs.train, corpus.tokenizer, "train");
    if (!inputs.validation.empty())
      corpus.validation_data = tokenise(inputs.validation, corpus.tokenizer, "validation");
    return corpus;
  }

  Tokenizer tokenizer() {
    if (settings_.data.stories == 0 && are_tokens(settings_.data)) return tokenizer_of_tokens();
    return make_tokenizer(find_inputs());
  }

 private:
  Inputs write_stories() {
    const auto bytes = static_cast<uint64_t>(settings_.data.stories);
    const auto held_out = std::max<uint64_t>(
        20000, static_cast<uint64_t>(kStoryValidationShare * static_cast<double>(bytes)));
    Inputs inputs;
    inputs.train = {write_split(StorySplit::kTrain, bytes, "stories-train.jsonl")};
    inputs.validation = {
        write_split(StorySplit::kValidation, held_out, "stories-validation.jsonl")};
    return inputs;
  }

  // One story per JSONL line, so that stories are documents. The text holds no character that JSON
  // escapes except the quotation mark.
  std::string write_split(StorySplit split, uint64_t bytes, const char* name) {
    AtomicFile file(folder_ / name);
    generate_stories(static_cast<uint64_t>(settings_.train.seed), split, bytes,
                     [&](std::string_view story) {
                       check_interrupt();
                       file.write(nlohmann::json{{"text", story}}.dump() + "\n");
                     });
    file.commit();
    return (folder_ / name).string();
  }

  Inputs find_inputs() {
    if (settings_.data.stories > 0) return write_stories();
    Inputs inputs{settings_.data.train, settings_.data.validation};
    if (std::ranges::count(inputs.train, "-") + std::ranges::count(inputs.validation, "-") > 1)
      throw Error(ErrorKind::kUsage, "-", "standard input is given twice", "give it once");
    for (auto* paths : {&inputs.train, &inputs.validation})
      std::ranges::replace(*paths, "-", (folder_ / kInputCopy).string());
    if (inputs.train != settings_.data.train || inputs.validation != settings_.data.validation)
      spool_input(0, folder_ / kInputCopy, [this] { check_interrupt(); });
    return inputs;
  }

  Tokenizer tokenizer_of_tokens() {
    if (settings_.tokenizer.order != VocabularyOrder::kIdentity)
      throw Error(ErrorKind::kUsage, "tokenizer.order", "tokens have the ids that they have",
                  "drop it, or give texts");
    const std::string& first = settings_.data.train.front();
    if (!settings_.tokenizer.path.empty()) return Tokenizer::load(settings_.tokenizer.path);
    if (is_dataset_folder(first) && fs::exists(fs::path(first) / "tokenizer.json"))
      return Tokenizer::load(first);
    throw Error(ErrorKind::kUsage, first, "token files carry no vocabulary",
                "give the tokenizer they were made with: --tokenizer FOLDER");
  }

  Tokenizer make_tokenizer(const Inputs& inputs) {
    const Tokenizer made = make_unordered_tokenizer(inputs);
    const VocabularyOrder order = settings_.tokenizer.order;
    if (order == VocabularyOrder::kIdentity) return made;
    return with_order(made, order, count_tokens(made, inputs));
  }

  Tokenizer make_unordered_tokenizer(const Inputs& inputs) {
    if (!settings_.tokenizer.path.empty()) return Tokenizer::load(settings_.tokenizer.path);
    switch (settings_.tokenizer.kind) {
      case TokenizerSettings::Kind::kByte:
        return Tokenizer::byte();
      case TokenizerSettings::Kind::kChar:
        return make_char(inputs);
      case TokenizerSettings::Kind::kBpe:
        return make_bpe(inputs);
      case TokenizerSettings::Kind::kAuto:
        break;
    }
    // A text in another encoding has no characters, but bytes that BPE can learn.
    std::optional<Tokenizer> characters;
    try {
      characters = make_char(inputs);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kData) throw;
    }
    return characters && characters->vocabulary_size() <= kAutoCharLimit ? *characters
                                                                         : make_bpe(inputs);
  }

  // Calls use(chunk) over texts of `paths`, up to a share of their bytes.
  template <class Use>
  void read(const std::vector<std::string>& paths, double share, const std::string& label, Use use,
            const CutFunction& cut = {}) {
    DocumentStream stream(find_sources(paths), cut);
    Progress progress(log_, label, static_cast<int64_t>(stream.bytes_total()));
    const double limit = share * static_cast<double>(stream.bytes_total());
    Chunk chunk;
    bool any = false;
    while (stream.next(chunk)) {
      check_interrupt();
      use(chunk);
      any = any || !chunk.text.empty();
      progress.update(static_cast<int64_t>(stream.bytes_read()));
      if (stream.bytes_total() > 0 && static_cast<double>(stream.bytes_read()) > limit) return;
    }
    if (!any)
      throw Error(ErrorKind::kData, paths.size() == 1 ? paths.front() : "the data", "holds no text",
                  "give a file with text");
  }

  Tokenizer make_char(const Inputs& inputs) {
    CharVocabularyBuilder builder;
    for (const auto* paths : {&inputs.train, &inputs.validation}) {
      if (paths->empty()) continue;
      read(*paths, 1.0, "reading", [&](const Chunk& chunk) {
        builder.add(chunk.text, chunk.place.name);
        if (chunk.ends_document) builder.end_document();
      });
    }
    return builder.build();
  }

  // Without the end that is held out by position.
  double training_share(const Inputs& inputs) const {
    return inputs.validation.empty() ? 1.0 - settings_.data.validation_fraction : 1.0;
  }

  // Of the training part, by id.
  std::vector<int64_t> count_tokens(const Tokenizer& tokenizer, const Inputs& inputs) {
    std::vector<int64_t> counts(static_cast<size_t>(tokenizer.vocabulary_size()));
    std::vector<Token> tokens;
    read(
        inputs.train, training_share(inputs), "counting tokens",
        [&](const Chunk& chunk) {
          tokens.clear();
          tokenizer.encode(chunk.text, tokens, chunk.place);
          for (const Token token : tokens)
            ++counts[static_cast<size_t>(token)];
        },
        [&](std::string_view text) { return tokenizer.safe_cut(text); });
    return counts;
  }

  // The vocabulary is learned from the training part only.
  Tokenizer make_bpe(const Inputs& inputs) {
    BpeTrainer trainer;
    read(inputs.train, training_share(inputs), "counting words", [&](const Chunk& chunk) {
      trainer.add(chunk.text);
      if (chunk.ends_document) trainer.end_document();
    });
    Progress progress(log_, "learning the vocabulary", settings_.tokenizer.vocabulary_size);
    return trainer.train(static_cast<int>(settings_.tokenizer.vocabulary_size), [&](int done, int) {
      check_interrupt();
      progress.update(done);
    });
  }

  std::unique_ptr<const TokenDataset> tokenise(const std::vector<std::string>& paths,
                                               const Tokenizer& tokenizer, const char* name) {
    const std::vector<TextSource> sources = find_sources(paths);
    int64_t total = 0;
    for (const TextSource& source : sources)
      total += static_cast<int64_t>(source.bytes);
    Progress progress(log_, "tokenising", total);
    PrepareOptions options;
    options.progress = [&](const PrepareProgress& at) {
      check_interrupt();
      progress.update(static_cast<int64_t>(at.bytes));
    };
    return std::make_unique<TokenDataset>(
        prepare_tokens(sources, tokenizer, folder_ / name, options));
  }

  void check_interrupt() const {
    if (interrupted_ && interrupted_())
      throw Interrupted("interrupted while reading the text", "nothing was kept; start again");
  }

  const RunSettings& settings_;
  const fs::path& folder_;
  Log& log_;
  const std::function<bool()>& interrupted_;
};

// What prepare_tokens wrote, checked as a whole: a run that goes on with other tokens would not be
// the same run.
std::unique_ptr<const TokenDataset> open_prepared(const fs::path& folder,
                                                  const Tokenizer& tokenizer) {
  auto dataset = std::make_unique<TokenDataset>(TokenDataset::open(folder));
  dataset->require_vocabulary(tokenizer);
  dataset->verify();
  return dataset;
}

void split(const RunSettings& settings, Corpus& corpus) {
  if (corpus.validation_data) {
    corpus.train = corpus.train_data->all();
    corpus.validation = corpus.validation_data->all();
  } else {
    const TokenSplit parts =
        split_by_position(*corpus.train_data, settings.data.validation_fraction);
    corpus.train = parts.train;
    corpus.validation = parts.validation;
  }
}

}  // namespace

Corpus make_corpus(const RunSettings& settings, const fs::path& folder, Log& log,
                   const std::function<bool()>& interrupted) {
  Corpus corpus = Maker(settings, folder, log, interrupted).make();
  split(settings, corpus);
  return corpus;
}

void place_corpus(AtomicFolder& made, const fs::path& folder) {
  if (!fs::exists(folder)) return made.commit_to(folder);
  // Files of the user kept the old folder alive. Every file of ours is durable by itself.
  for (const auto& entry : fs::directory_iterator(made.path())) {
    const fs::path target = folder / entry.path().filename();
    std::error_code error;
    fs::rename(entry.path(), target, error);
    if (error)
      throw Error(ErrorKind::kRuntime, target.string(), "cannot write: " + error.message(),
                  "choose another --out");
  }
}

void make_token_paths_absolute(DataSettings& data) {
  for (auto* paths : {&data.train, &data.validation})
    for (std::string& path : *paths)
      if (holds_tokens(path)) path = fs::absolute(path).lexically_normal().string();
}

Tokenizer make_tokenizer(const RunSettings& settings, const fs::path& folder, Log& log,
                         const std::function<bool()>& interrupted) {
  return Maker(settings, folder, log, interrupted).tokenizer();
}

Corpus open_corpus(const RunSettings& settings, const fs::path& folder,
                   const Tokenizer& tokenizer) {
  Corpus corpus{tokenizer, nullptr, nullptr, {}, {}};
  if (settings.data.stories == 0 && are_tokens(settings.data)) {
    require_same_tokens(settings.data, folder / kTokenFingerprint);
    open_all_tokens(settings.data, corpus);
    corpus.train_data->verify();
    if (corpus.validation_data) corpus.validation_data->verify();
  } else {
    corpus.train_data = open_prepared(folder / "train", tokenizer);
    if (fs::exists(folder / "validation"))
      corpus.validation_data = open_prepared(folder / "validation", tokenizer);
  }
  split(settings, corpus);
  return corpus;
}

}  // namespace cllm
