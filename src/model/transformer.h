// The decoder as an immutable description: configuration, parameters and layers. It owns no
// numbers; weights and gradients are arenas laid out by parameters(), executions are Sessions
// (model/session.h).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "model/config.h"
#include "model/logit_prior.h"
#include "nn/block.h"
#include "nn/ngram_memory.h"
#include "nn/output_head.h"
#include "nn/token_embedding.h"
#include "tensor/parameters.h"
#include "threads/pool.h"

namespace cllm {

// Thread-safe after construction.
class Transformer {
 public:
  // codes: of a composite embedding, V tokens and config.code_rows() rows
  // (crystal/embedding_codes.h); null for the other kinds. prior: with config.prior_order > 0, of
  // this vocabulary; a description that is not executed needs none. Error (kUsage) if the
  // configuration is invalid or a composite embedding has no codes.
  explicit Transformer(const ModelConfig& config,
                       std::shared_ptr<const nn::CodeTable> codes = nullptr,
                       std::shared_ptr<const LogitPrior> prior = nullptr);

  const ModelConfig& config() const { return config_; }
  const ParameterTable& parameters() const { return table_; }
  const std::vector<nn::Block>& blocks() const { return blocks_; }
  const nn::Norm& final_norm() const { return final_norm_; }
  const nn::TokenEmbedding& embedding() const { return embedding_; }
  const nn::OutputHead& head() const { return head_; }
  // Of a composite embedding, else null.
  const std::shared_ptr<const nn::CodeTable>& codes() const { return embedding_.options().codes; }
  const nn::NgramMemory& ngram_memory() const { return ngram_memory_; }
  // nullptr without one.
  const LogitPrior* prior() const { return prior_.get(); }
  const std::shared_ptr<const LogitPrior>& shared_prior() const { return prior_; }
  // All linear layers, in the order of the forward.
  std::vector<const nn::Linear*> linears() const;
  // The table whose rows are looked up: [V, C] of a dense embedding.
  const Parameter& token_table() const { return table_.at(embedding_.table_parameter()); }
  // nullptr without learned positions.
  const Parameter* position_table() const {
    return position_table_ >= 0 ? &table_.at(position_table_) : nullptr;
  }

  // weights = fresh values, a pure function of (configuration, seed). Threaded over fixed chunks.
  void initialise(ThreadPool& pool, uint64_t seed, float* weights) const;

  // Floating-point operations of forward and backward per token: 6 (parameters without embedding
  // tables) + 6 L T C for causal attention + those of the embedding (0 for a table) and of the head
  // (6 V C for a matrix).
  double training_flops_per_token() const;

 private:
  nn::BlockOptions block_options() const;
  void add_embedding(std::shared_ptr<const nn::CodeTable> codes);

  ModelConfig config_;
  std::shared_ptr<const LogitPrior> prior_;
  ParameterTable table_;
  int32_t position_table_ = -1;
  nn::TokenEmbedding embedding_;
  nn::NgramMemory ngram_memory_;
  std::vector<nn::Block> blocks_;
  nn::Norm final_norm_;
  nn::OutputHead head_;
};

}  // namespace cllm
