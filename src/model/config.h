// What a decoder looks like. GPT-2 and Llama differ in a handful of enums; every combination runs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/fields.h"
#include "nn/mlp.h"
#include "nn/norm.h"
#include "nn/token_embedding.h"

namespace cllm {

enum class PositionKind { kLearned, kRotary };
// What the pieces of a composite embedding's codes are (crystal/prime_codes.h).
enum class EmbeddingCodes { kPrime, kRandom };

struct ModelConfig {
  int64_t vocabulary_size = 0;   // V; set from the tokenizer when training starts
  int64_t context_length = 256;  // T
  int64_t layers = 6;            // L
  int64_t heads = 6;             // H
  int64_t kv_heads = 0;          // K; 0 = heads
  int64_t width = 384;           // C
  int64_t head_size = 0;         // D; 0 = width / heads
  int64_t mlp_width = 0;         // F; 0 = 4 C, or for SwiGLU 8/3 C rounded up to a multiple of 32
  nn::NormKind norm = nn::NormKind::kLayerNorm;
  double norm_epsilon = 1e-5;
  PositionKind position = PositionKind::kLearned;
  double rotary_base = 10000;
  nn::MlpKind mlp = nn::MlpKind::kGelu;
  bool bias = true;          // of linears and LayerNorms
  bool tied_head = true;     // the output head is the token embedding
  bool qk_norm = false;      // RMS norm of every query and key head
  double logit_softcap = 0;  // 0 = off
  nn::EmbeddingKind embedding = nn::EmbeddingKind::kDense;
  int64_t embedding_width = 0;  // r of a factorised embedding; 0 = 64
  // Of a composite embedding. Primes: 0 = as many as the vocabulary needs, to be counted
  // (crystal/embedding_codes.h) before a model is made; the most frequent tokens may have rows of
  // their own.
  int64_t embedding_primes = 0, embedding_dense_rows = 0;
  EmbeddingCodes embedding_codes = EmbeddingCodes::kPrime;
  double embedding_step = 0;  // of a lattice, a power of two; 0 = 1/64
  // Projections back to the residual stream start at zero, and so does a head of its own.
  bool zero_init_projections = false;
  double init_deviation = 0.02;
  double dropout = 0;       // embeddings, attention probabilities, residual branches
  int64_t ngram_order = 0;  // nn/ngram_memory.h: the longest n-gram with rows of its own; 0 = none
  int64_t ngram_rows = 16384;  // the most rows of one of its tables
  // Rows of the two tables of an order, coprime with each other and with V + 1; 0 = to be chosen
  // from ngram_rows (crystal/ngram_moduli.h) before a model is made.
  int64_t ngram_modulus_a = 0, ngram_modulus_b = 0;
  double ngram_dropout = 0;
  // The longest n-gram of the Kneser-Ney model whose log-probabilities the logits are added to
  // (model/logit_prior.h), after the softcap; 0 = none.
  int64_t prior_order = 0;

  void list(FieldList& fields);

  // With the zeros that mean "derived" replaced.
  int64_t kv_head_count() const { return kv_heads > 0 ? kv_heads : heads; }
  int64_t head_width() const { return head_size > 0 ? head_size : width / heads; }
  int64_t mlp_hidden() const;
  int64_t factor_width() const { return embedding_width > 0 ? embedding_width : 64; }
  double lattice_step() const { return embedding_step > 0 ? embedding_step : 0x1p-6; }
  // Rows of the table of a composite embedding.
  int64_t code_rows() const { return embedding_primes + embedding_dense_rows; }

  // Error (kUsage) that names the setting and the numbers if the parts do not fit together.
  void validate() const;
  // Of a file: versions before this one accepted, and stored, sizes of a memory that is not there.
  void forget_idle_ngrams();

 private:
  void list_sizes(FieldList& fields);
  void list_kinds(FieldList& fields);
  void list_embedding(FieldList& fields);
  void list_ngrams(FieldList& fields);
  void validate_embedding() const;
  void validate_lattice() const;
  void validate_ngrams() const;
  // What would be ignored without a memory of n-grams.
  void refuse_idle_ngrams() const;
  void validate_prior() const;
};

// "demo", "nano", "baby", "gpt2", "llama-15m". Error (kUsage) with the names for an unknown one.
ModelConfig model_preset(std::string_view name);
std::vector<std::string> model_preset_names();

}  // namespace cllm
