// The decoder as an immutable description: configuration, parameters and layers. It owns no
// numbers; weights and gradients are arenas laid out by parameters(), executions are Sessions
// (model/session.h).
#pragma once

#include <cstdint>
#include <vector>

#include "model/config.h"
#include "nn/block.h"
#include "nn/ngram_memory.h"
#include "tensor/parameters.h"
#include "threads/pool.h"

namespace cllm {

// Thread-safe after construction.
class Transformer {
 public:
  // Error (kUsage) if the configuration is invalid.
  explicit Transformer(const ModelConfig& config);

  const ModelConfig& config() const { return config_; }
  const ParameterTable& parameters() const { return table_; }
  const std::vector<nn::Block>& blocks() const { return blocks_; }
  const nn::Norm& final_norm() const { return final_norm_; }
  const nn::Linear& head() const { return head_; }
  const nn::NgramMemory& ngram_memory() const { return ngram_memory_; }
  // All linear layers, in the order of the forward.
  std::vector<const nn::Linear*> linears() const;
  const Parameter& token_table() const { return table_.at(token_table_); }
  // nullptr without learned positions.
  const Parameter* position_table() const {
    return position_table_ >= 0 ? &table_.at(position_table_) : nullptr;
  }

  // weights = fresh values, a pure function of (configuration, seed). Threaded over fixed chunks.
  void initialise(ThreadPool& pool, uint64_t seed, float* weights) const;

  // Floating-point operations of forward and backward per token: 6 (parameters without embedding
  // tables, head included) + 6 L T C for causal attention.
  double training_flops_per_token() const;

 private:
  nn::BlockOptions block_options() const;

  ModelConfig config_;
  ParameterTable table_;
  int32_t token_table_ = -1, position_table_ = -1;
  nn::NgramMemory ngram_memory_;
  std::vector<nn::Block> blocks_;
  nn::Norm final_norm_;
  nn::Linear head_;
};

}  // namespace cllm
