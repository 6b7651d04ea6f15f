// The built-in corpus: short children's stories from a grammar of our own (story_rules.h), so that
// the demo needs no download. Every story is a pure function of (seed, split, index), with random
// access.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace cllm {

enum class StorySplit { kTrain, kValidation };

// No state but the seed. Thread-safe.
class StoryCorpus {
 public:
  explicit StoryCorpus(uint64_t seed) : seed_(seed) {}

  // 60 to 200 words of ASCII on one line, without a trailing newline. The hash of a text decides
  // its split and candidates of the other split are rejected, so no text is in both, whatever the
  // seeds. Some ten microseconds for training, four times that for validation (a quarter of all
  // texts).
  std::string story(StorySplit split, uint64_t index) const;

 private:
  uint64_t seed_;
};

// Hands stories 0, 1, 2, ... of a split to the callback until they hold at least `bytes` bytes
// together.
void generate_stories(uint64_t seed, StorySplit split, uint64_t bytes,
                      const std::function<void(std::string_view)>& callback);

}  // namespace cllm
