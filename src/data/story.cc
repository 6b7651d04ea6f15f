#include "data/story.h"

#include <algorithm>
#include <vector>

#include "base/check.h"
#include "base/file.h"
#include "base/philox.h"
#include "data/story_rules.h"
#include "data/story_sentences.h"

namespace cllm {
namespace {

using story::Beat;
using story::BeatItem;
using story::Element;
using story::Rules;
using story::Sequence;

constexpr int kFewestWords = 60;
constexpr int kMostWords = 200;
constexpr uint64_t kValidationShare = 4;  // one text in so many belongs to validation
constexpr int kUnbound = -1;

// The hash is part of the definition of the splits.
StorySplit split_of(std::string_view text) {
  return hash64(text.data(), text.size()) % kValidationShare == 0 ? StorySplit::kValidation
                                                                  : StorySplit::kTrain;
}

// Tells one story: walks the beats from the root and writes the tokens of its sentences.
class Teller {
 public:
  Teller(const Rules& rules, PhiloxSequence random)
      : rules_(rules),
        random_(random),
        bound_(rules.variables.size(), kUnbound),
        told_(rules.beats.size()) {
    text_.reserve(1200);
  }

  void tell() { tell_beat(rules_.root); }
  int words() const { return words_; }
  std::string take_text() { return std::move(text_); }

 private:
  void tell_beat(int id);
  void tell_sequence(const Sequence& sequence);
  int entry_of(int variable);
  void write(int id);

  const Rules& rules_;
  PhiloxSequence random_;
  std::vector<int> bound_;                 // entry of each variable
  std::vector<std::vector<size_t>> told_;  // alternatives of each beat that were told
  std::string text_;
  int words_ = 0;
  TokenKind last_ = TokenKind::kOpenQuote;  // before the first token there is no space
  int held_article_ = kUnbound;
};

void Teller::tell_beat(int id) {
  const Beat& beat = rules_.beats[id];
  std::vector<size_t> fresh;  // a story does not say the same thing twice
  for (size_t i = 0; i < beat.alternatives.size(); ++i) {
    if (std::find(told_[id].begin(), told_[id].end(), i) == told_[id].end()) fresh.push_back(i);
  }
  CHECK_MSG(!fresh.empty(), "beat '{}' is called too often", beat.name);
  const size_t chosen = fresh[random_.below(fresh.size())];
  told_[id].push_back(chosen);
  for (const BeatItem& item : beat.alternatives[chosen]) {
    if (item.kind == BeatItem::Kind::kSentence) {
      tell_sequence(rules_.sentences[item.id]);
    } else if (item.kind == BeatItem::Kind::kBeat || random_.below(2) == 0) {
      tell_beat(item.id);
    }
  }
}

void Teller::tell_sequence(const Sequence& sequence) {
  for (const Element& element : sequence) {
    if (element.kind == Element::Kind::kToken) {
      write(element.id);
    } else if (element.kind == Element::Kind::kSymbol) {
      const auto& alternatives = rules_.symbols[element.id].alternatives;
      tell_sequence(alternatives[random_.below(alternatives.size())]);
    } else {
      const auto& category = rules_.categories[rules_.variables[element.id].category];
      for (const int token : category.phrases[element.form][entry_of(element.id)])
        write(token);
    }
  }
}

int Teller::entry_of(int variable) {
  if (bound_[variable] != kUnbound) return bound_[variable];
  const int category = rules_.variables[variable].category;
  std::vector<int> free;
  for (size_t i = 0; i < rules_.categories[category].phrases[0].size(); ++i) {
    bool taken = false;
    for (size_t other = 0; other < bound_.size(); ++other) {
      taken = taken || (rules_.variables[other].category == category &&
                        bound_[other] == static_cast<int>(i));
    }
    if (!taken) free.push_back(static_cast<int>(i));
  }
  return bound_[variable] = free[random_.below(free.size())];
}

void Teller::write(int id) {
  if (id == rules_.article || id == rules_.capital_article) {
    held_article_ = id;  // "a" or "an" depends on the next word
    return;
  }
  const story::Token& token = rules_.tokens[id];
  auto put = [this](TokenKind kind, std::string_view text) {
    if (needs_space(last_, kind)) text_ += ' ';
    text_ += text;
    last_ = kind;
    words_ += kind == TokenKind::kWord ? 1 : 0;
  };
  if (held_article_ != kUnbound) {
    const std::string_view article = held_article_ == rules_.article ? "a" : "A";
    put(TokenKind::kWord, article);
    if (takes_an(token.text)) text_ += 'n';
    held_article_ = kUnbound;
  }
  put(token.kind, token.text);
}

}  // namespace

std::string StoryCorpus::story(StorySplit split, uint64_t index) const {
  const Rules& rules = story::built_in_rules();
  const Philox source(seed_, RandomStream::kStory);
  // Each attempt has its own seed, so that a story's numbers depend on (seed, index, attempt)
  // alone.
  for (uint64_t attempt = 0;; ++attempt) {
    const auto bits = source.bits(attempt, index);
    const uint64_t seed = (static_cast<uint64_t>(bits[0]) << 32) | bits[1];
    Teller teller(rules, PhiloxSequence(Philox(seed, RandomStream::kStory), 0));
    teller.tell();
    if (teller.words() < kFewestWords || teller.words() > kMostWords) continue;
    std::string text = teller.take_text();
    if (split_of(text) == split) return text;
  }
}

void generate_stories(uint64_t seed, StorySplit split, uint64_t bytes,
                      const std::function<void(std::string_view)>& callback) {
  const StoryCorpus corpus(seed);
  uint64_t produced = 0;
  for (uint64_t index = 0; produced < bytes; ++index) {
    const std::string text = corpus.story(split, index);
    produced += text.size();
    callback(text);
  }
}

}  // namespace cllm
