// A few tokens that probably hold the likeliest, found without multiplying the output head: every
// row of the head has a signature of sign bits, AND and popcount compare it with the next token's
// hidden state, and only the best rows are multiplied exactly (model/candidates.h).
//
// With e_v a row less the mean of all (which adds the same to every logit), Q random rotations
// (crystal/hadamard.h) and y = Q e_v, the signature is the signs of y, and <y, z> is estimated for
// z = Q h by <sign y, z> times |y|^2 / |y|_1 (Charikar 2002; the factor and a query of several
// bits, bit plane by bit plane: Gao & Long, RaBitQ, SIGMOD 2024). A query of one bit is SimHash's.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "crystal/hadamard.h"
#include "model/candidates.h"
#include "model/transformer.h"
#include "number/signature_table.h"
#include "ops/context.h"
#include "ops/decode.h"

namespace cllm {

struct ShortlistOptions {
  int64_t candidates = 512;  // tokens that are multiplied exactly
  int64_t bits = 512;        // of a row's signature, a multiple of 64, 64 ... 4096
  int64_t query_bits = 4;    // of each projection of the hidden state, 1 ... 8

  // Error (kUsage).
  void validate() const;
};

// Error (kUsage, `where`) for a model that no shortlist serves: without a row of the head for every
// token, or with a prior.
void require_shortlist_model(const Transformer& model, const std::string& where,
                             const std::string& hint);

// Signatures of the first `vocabulary` rows of a head. A pure function of the rows and the options,
// whatever the threads and the instruction set; so is a choice, of the hidden state. Not
// thread-safe (own buffers). context must outlive it.
class Shortlist : public CandidateSelector {
 public:
  // Reads the head once: about V C log2(C) bits / C additions, threaded. head.out >= vocabulary >=
  // 1. Error (kUsage) for options that do not validate.
  Shortlist(const ops::Context& context, const ops::DecodeMatrix& head, int64_t vocabulary,
            const ShortlistOptions& options);

  // Bytes that it takes.
  static int64_t plan_bytes(int64_t vocabulary, const ShortlistOptions& options);

  // options.candidates, or the vocabulary if that is smaller.
  int64_t count() const override { return count_; }
  std::span<const int32_t> select(std::span<const float> hidden) override;

 private:
  struct Scored {
    float score;
    int32_t token;
  };
  void add_rows(std::span<const float> rows);
  void project(std::span<const float> hidden);
  void score_rows();
  void keep_best();

  const ops::Context& context_;
  ShortlistOptions options_;
  int64_t width_, count_;
  std::vector<RandomRotation> rotations_;  // C bits each, the last one as many as are left
  number::SignatureTable table_;
  std::vector<float> factors_;    // [V] |y|^2 / |y|_1
  std::vector<int32_t> weights_;  // [V] set bits of a row

  std::vector<float> rotated_;     // [C]
  std::vector<float> projection_;  // [bits] z
  std::vector<number::Signature>
      planes_;                  // [query_bits] of z as integers u, 0 ... 2^query_bits - 1
  int64_t query_sum_ = 0;       // of the odd integers 2 u - (2^query_bits - 1)
  std::vector<uint32_t> sums_;  // [V]
  std::vector<float> scores_;   // [V]
  std::vector<Scored> best_;
  std::vector<int32_t> chosen_;
};

}  // namespace cllm
