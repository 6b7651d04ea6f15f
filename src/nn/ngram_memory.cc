#include "nn/ngram_memory.h"

#include <fmt/format.h>

#include <algorithm>

#include "ops/embedding.h"

namespace cllm::nn {

NgramMemory::NgramMemory(ParameterTable& table, const NgramOptions& options) : options_(options) {
  for (int order = 2; order <= options.order; ++order)
    for (const size_t which : {0, 1}) {
      const int64_t rows = options.moduli[which];
      const int32_t parameter =
          table.add(fmt::format("embedding.ngram.{}.{}", order, which == 0 ? "A" : "B"),
                    {rows, options.C}, Initial::kZero);
      tables_.push_back({{order, rows}, parameter, table.at(parameter).offset});
    }
}

int64_t NgramMemory::parameter_count() const {
  int64_t count = 0;
  for (const Table& table : tables_)
    count += table.shape.rows * options_.C;
  return count;
}

bool NgramMemory::owns(const Parameter& parameter) const {
  return std::ranges::any_of(tables_,
                             [&](const Table& table) { return table.offset == parameter.offset; });
}

NgramPlan NgramMemory::plan(Planner& planner, const ops::Context& context,
                            const PlanShape& shape) const {
  if (!present()) return {};
  NgramPlan plan{
      .rows = planner.declare_permanent("ngram.rows", std::ssize(tables_) * shape.rows()),
      .sum = shape.declare(planner, "ngram.sum", shape.rows() * options_.C)};
  if (shape.training) plan.keys = shape.declare_keys(planner, "ngram.keys", context);
  return plan;
}

int32_t* NgramMemory::rows_of(const Run& run, const NgramPlan& plan, size_t table) const {
  return reinterpret_cast<int32_t*>(run.at(plan.rows)) + static_cast<int64_t>(table) * run.rows();
}

void NgramMemory::forward(const Run& run, const NgramPlan& plan, const int32_t* tokens,
                          ops::Values x) const {
  if (!present()) return;
  run.context.pool.parallel_for(run.B * std::ssize(tables_), [&](int64_t task, int) {
    const auto table = static_cast<size_t>(task / run.B);
    const int64_t first = task % run.B * run.T;
    ops::ngram_rows(tables_[table].shape, options_.V, {},
                    {tokens + first, static_cast<size_t>(run.T)},
                    rows_of(run, plan, table) + first);
  });
  std::array<const float*, ops::kMostNgramTables> tables{};
  std::array<const int32_t*, ops::kMostNgramTables> rows{};
  for (size_t table = 0; table < tables_.size(); ++table) {
    tables[table] = run.weights + tables_[table].offset;
    rows[table] = rows_of(run, plan, table);
  }
  const int64_t count = run.rows() * options_.C;
  const ops::Values sum = run.values(plan.sum);
  ops::sum_table_rows(run.context, run.rows(), options_.C, std::span(tables).first(tables_.size()),
                      std::span(rows).first(tables_.size()), sum);
  if (run.training && options_.dropout > 0)
    ops::dropout(run.context, count, options_.dropout, run.dropout_key(options_.site), sum, sum);
  ops::add(run.context, count, x, sum, x);
}

void NgramMemory::backward(const Run& run, const NgramPlan& plan, ops::Values dx) const {
  if (!present()) return;
  if (run.training && options_.dropout > 0)
    ops::dropout(run.context, run.rows() * options_.C, options_.dropout,
                 run.dropout_key(options_.site), dx, dx);
  uint64_t* const keys = run.keys(plan.keys);
  for (size_t table = 0; table < tables_.size(); ++table) {
    const int32_t* rows = rows_of(run, plan, table);
    if (keys != nullptr) ops::sort_tokens(run.context, run.rows(), rows, keys);
    ops::embedding_backward(run.context, run.rows(), run.T, options_.C, rows, dx,
                            run.gradients + tables_[table].offset, nullptr, keys);
  }
}

void NgramMemory::recall(const Run& run, const NgramPlan& plan, std::span<const int32_t> tokens,
                         float* x) const {
  for (size_t table = 0; table < tables_.size(); ++table) {
    int32_t* const rows = rows_of(run, plan, table);
    const auto T = static_cast<size_t>(run.T);
    for (size_t b = 0; b < run.caches.size(); ++b)
      ops::ngram_rows(tables_[table].shape, options_.V, run.caches[b].history(),
                      tokens.subspan(b * T, T), rows + b * T);
    ops::gather_add(run.context, {rows, tokens.size()},
                    run.stored[static_cast<size_t>(tables_[table].parameter)], x);
  }
}

}  // namespace cllm::nn
