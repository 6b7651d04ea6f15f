// A memory of n-grams beside the token embedding: for every order of 2 ... `order`, two tables of
// coprime sizes whose rows of the n-gram that ends at a token are added to that token's vector
// (ops/ngram.h). The rows start at zero, so that a fresh model is the one without memory.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "nn/run.h"
#include "ops/ngram.h"

namespace cllm::nn {

struct NgramOptions {
  int64_t V = 0, C = 0;
  int order = 0;                           // the longest n-gram; 0 = no memory
  std::array<int64_t, 2> moduli = {0, 0};  // rows of the two tables of an order
  float dropout = 0;                       // of the memory's sum
  uint32_t site = 0;                       // of that dropout
};

struct NgramPlan {
  Slot rows;  // int32 [tables, N]: which row of each table
  Slot sum;   // [N, C]
  Slot keys;  // uint64 [N] of ops::sort_tokens, of one table at a time; none if rows stay as they
              // are
};

class NgramMemory {
 public:
  NgramMemory() = default;
  // Declares embedding.ngram.ORDER.A and .B, [modulus, C] each.
  NgramMemory(ParameterTable& table, const NgramOptions& options);

  const NgramOptions& options() const { return options_; }
  bool present() const { return !tables_.empty(); }
  int64_t parameter_count() const;
  bool owns(const Parameter& parameter) const;

  // Slots are invalid without a memory.
  NgramPlan plan(Planner& planner, const ops::Context& context, const PlanShape& shape) const;
  // x [N, C] += dropout(sum of the rows). No memory: x stays.
  void forward(const Run& run, const NgramPlan& plan, const int32_t* tokens, ops::Values x) const;
  // Table gradients += from dx [N, C], of the tokens of the last forward; dx is overwritten.
  void backward(const Run& run, const NgramPlan& plan, ops::Values dx) const;
  // forward() of generation, after the tokens of the run's caches.
  void recall(const Run& run, const NgramPlan& plan, std::span<const int32_t> tokens,
              float* x) const;

 private:
  struct Table {
    ops::NgramTable shape;
    int32_t parameter = -1;
    int64_t offset = 0;
  };
  int32_t* rows_of(const Run& run, const NgramPlan& plan, size_t table) const;

  NgramOptions options_;
  std::vector<Table> tables_;
};

}  // namespace cllm::nn
