// Which tokens generation looks at: a layer above may know a few that hold the likeliest, so that
// the output head is not multiplied as a whole (crystal/shortlist.h).
#pragma once

#include <cstdint>
#include <span>

namespace cllm {

// Not thread-safe.
class CandidateSelector {
 public:
  CandidateSelector() = default;
  CandidateSelector(const CandidateSelector&) = delete;
  CandidateSelector& operator=(const CandidateSelector&) = delete;
  virtual ~CandidateSelector() = default;

  // How many tokens select() gives.
  virtual int64_t count() const = 0;
  // After hidden [C], what the output head reads: ids of the tokenizer, ascending, each once. A
  // pure function of `hidden`. Valid until the next call.
  virtual std::span<const int32_t> select(std::span<const float> hidden) = 0;
};

}  // namespace cllm
