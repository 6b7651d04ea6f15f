// A BPE vocabulary of words that share stems and endings, made in milliseconds.
#pragma once

#include <string>

#include "base/philox.h"
#include "text/bpe_trainer.h"

namespace cllm::testing {

inline std::string small_words() {
  constexpr const char* kStems[] = {"walk", "talk", "turn", "look", "paint", "farm",
                                    "work", "help", "sing", "play", "reach", "call"};
  constexpr const char* kEndings[] = {"", "s", "ed", "er", "ing", "ers", "able"};
  constexpr const char* kBeginnings[] = {"", "", "un", "re", "over", "under"};
  PhiloxSequence source(Philox(1, RandomStream::kTest), 0);
  std::string text;
  for (int word = 0; word < 4000; ++word) {
    text += kBeginnings[source.below(std::size(kBeginnings))];
    text += kStems[source.below(std::size(kStems))];
    text += kEndings[source.below(std::size(kEndings))];
    text += word % 12 == 11 ? ".\n" : " ";
  }
  return text;
}

inline Tokenizer small_vocabulary(int size = 900) {
  BpeTrainer trainer;
  trainer.add(small_words());
  return trainer.train(size);
}

}  // namespace cllm::testing
