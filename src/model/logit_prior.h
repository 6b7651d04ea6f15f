// What a network's logits are added to: the log-probabilities of another, fixed model of the same
// text, so that the network learns only what that one does not know. Given from above
// (crystal/ngram_prior.h); it has no parameters, takes no gradient, and is stored with the model.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "base/file.h"

namespace cllm {

struct ModelConfig;

// The longest n-grams of a prior: it sees at most so many tokens less one.
inline constexpr int64_t kLongestPrior = 8;

// Immutable, thread-safe.
class LogitPrior {
 public:
  // In place of a token: nothing is left out.
  static constexpr int32_t kNothing = -1;

  LogitPrior() = default;
  LogitPrior(const LogitPrior&) = delete;
  LogitPrior& operator=(const LogitPrior&) = delete;
  virtual ~LogitPrior() = default;

  virtual int64_t vocabulary_size() const = 0;  // V
  // Of memory, without the object itself.
  virtual int64_t bytes() const = 0;
  // out [V] = ln p(token | history) in fp32, always finite; the probabilities sum to 1. history:
  // the tokens before, the newest last, as many as are known, 0 <= token < V. left_out: the token
  // that follows here in the text of training, whose occurrence must not count, or kNothing.
  // Allocates nothing.
  virtual void log_probabilities(std::span<const int32_t> history, int32_t left_out,
                                 float* out) const = 0;
  // Writes its files into a model's folder. Error (kRuntime).
  virtual void save(const fs::path& folder) const = 0;
};

// The prior of the model in a folder, whose configuration has one. Error (kData) that names the
// file if it is missing, damaged, or of another model.
using PriorReader =
    std::function<std::shared_ptr<const LogitPrior>(const fs::path& folder, const ModelConfig&)>;

}  // namespace cllm
