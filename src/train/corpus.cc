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

namespace cllm {
namespace {

// Held-out stories per byte of training stories.
constexpr double kStoryValidationShare = 0.05;
// The largest char vocabulary that "auto" prefers to BPE.
constexpr int kAutoCharLimit = 257;

struct Inputs {
  std::vector<std::string> train, validation;  // paths, standard input already in a file
  std::vector<fs::path> token_files;           // instead of texts
};

class Maker {
 public:
  Maker(const RunSettings& settings, const fs::path& folder, Log& log,
        const std::function<bool()>& interrupted)
      : settings_(settings), folder_(folder), log_(log), interrupted_(interrupted) {}

  Corpus make() {
    Inputs inputs = settings_.data.stories > 0 ? write_stories() : find_inputs();
    if (!inputs.token_files.empty()) return from_token_files(inputs);
    Corpus corpus{make_tokenizer(inputs), nullptr, nullptr, {}, {}};
    corpus.train_data = tokenise(inputs.train, corpus.tokenizer, "train");
    if (!inputs.validation.empty())
      corpus.validation_data = tokenise(inputs.validation, corpus.tokenizer, "validation");
    return corpus;
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
    Inputs inputs;
    for (const std::string& path : settings_.data.train) {
      if (is_token_file(path))
        inputs.token_files.emplace_back(path);
      else
        inputs.train.push_back(path == "-" ? spool() : path);
    }
    inputs.validation = settings_.data.validation;
    if (!inputs.token_files.empty() && !(inputs.train.empty() && inputs.validation.empty()))
      throw Error(ErrorKind::kUsage, inputs.token_files.front().string(),
                  "token files cannot be mixed with texts", "give only token files or only texts");
    return inputs;
  }

  std::string spool() {
    const fs::path copy = folder_ / "input.txt";
    spool_input(0, copy);
    return copy.string();
  }

  Corpus from_token_files(const Inputs& inputs) {
    if (settings_.tokenizer.path.empty())
      throw Error(ErrorKind::kUsage, inputs.token_files.front().string(),
                  "token files carry no vocabulary",
                  "give the tokenizer they were made with: --tokenizer FOLDER");
    Corpus corpus{Tokenizer::load(settings_.tokenizer.path), nullptr, nullptr, {}, {}};
    corpus.train_data = std::make_unique<TokenDataset>(
        TokenDataset::from_files(inputs.token_files, corpus.tokenizer.vocabulary_size()));
    return corpus;
  }

  Tokenizer make_tokenizer(const Inputs& inputs) {
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
  void read(const std::vector<std::string>& paths, double share, const std::string& label,
            Use use) {
    DocumentStream stream(find_sources(paths));
    Progress progress(log_, label, static_cast<int64_t>(stream.bytes_total()));
    const double limit = share * static_cast<double>(stream.bytes_total());
    Chunk chunk;
    while (stream.next(chunk)) {
      check_interrupt();
      use(chunk);
      progress.update(static_cast<int64_t>(stream.bytes_read()));
      if (stream.bytes_total() > 0 && static_cast<double>(stream.bytes_read()) > limit) return;
    }
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

  // The vocabulary is learned from the training part only: the end that is held out by position is
  // left out.
  Tokenizer make_bpe(const Inputs& inputs) {
    const double share = inputs.validation.empty() ? 1.0 - settings_.data.validation_fraction : 1.0;
    BpeTrainer trainer;
    read(inputs.train, share, "counting words", [&](const Chunk& chunk) {
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
      throw Error(ErrorKind::kRuntime, "", "interrupted while reading the text",
                  "nothing was kept; start again");
  }

  const RunSettings& settings_;
  const fs::path& folder_;
  Log& log_;
  const std::function<bool()>& interrupted_;
};

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

Corpus open_corpus(const RunSettings& settings, const fs::path& folder,
                   const Tokenizer& tokenizer) {
  Corpus corpus{tokenizer, nullptr, nullptr, {}, {}};
  std::vector<fs::path> token_files;
  for (const std::string& path : settings.data.train)
    if (is_token_file(path)) token_files.emplace_back(path);
  if (!token_files.empty()) {
    corpus.train_data = std::make_unique<TokenDataset>(
        TokenDataset::from_files(token_files, tokenizer.vocabulary_size()));
  } else {
    corpus.train_data = std::make_unique<TokenDataset>(TokenDataset::open(folder / "train"));
    corpus.train_data->require_vocabulary(tokenizer);
    if (fs::exists(folder / "validation"))
      corpus.validation_data =
          std::make_unique<TokenDataset>(TokenDataset::open(folder / "validation"));
  }
  split(settings, corpus);
  return corpus;
}

}  // namespace cllm
