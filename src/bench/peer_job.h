// What both sides of `cllm bench peers` train: a GPT-2 of a preset with the same initial weights on
// the same batches, handed to the peer as files.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/loader.h"
#include "model/engine.h"
#include "train/settings.h"
#include "train/trainer.h"

namespace cllm::bench {

struct PeerJob {
  std::string preset;                          // nano, baby or gpt2
  std::string precision;                       // fp32 or bf16
  int64_t batch_size = 0, context_length = 0;  // 0 = the recipe's
  double dropout = 0;
};

// Our settings for the job: AdamW at a constant learning rate, clipping to 1, no accumulation.
// Error (kUsage) for a preset that is no GPT-2, or a value that does not fit.
RunSettings peer_settings(const PeerJob& job);

// Tokens with frequencies as 1 / rank, so that there is something to learn from the first step on:
// the check of two loss curves sees a wrong gradient.
TokenDataset peer_tokens(const RunSettings& settings);

// The batches that a Trainer with these settings draws from these tokens, in its order.
class PeerBatches {
 public:
  PeerBatches(const RunSettings& settings, TokenView tokens);
  // path = the next `steps` batches, each tokens [B, T] then targets [B, T], int32 little-endian.
  void write(const fs::path& path, int64_t steps);

 private:
  BatchLoader loader_;
  int64_t elements_;
};

// What the peer is told at its start.
nlohmann::json peer_instructions(const PeerJob& job, const RunSettings& settings,
                                 const fs::path& model_folder);

}  // namespace cllm::bench
