#include "cli/eval_baseline.h"

#include <cmath>

#include "base/progress.h"
#include "bench/text_table.h"
#include "cli/signals.h"
#include "data/prepare.h"
#include "train/mixture.h"

namespace cllm::cli {
namespace {

constexpr int kLargestOrder = 64;
constexpr const char* kWindow = "window";
constexpr const char* kText = "text";

double nats_per_byte(const Evaluation& result) {
  return result.bits_per_byte * std::log(2.0);
}

NgramCounts count(TokenView train, int64_t vocabulary_size, int order, Log& log) {
  Progress progress(log, "counting n-grams", 2 * order - 1);
  return count_ngrams(train, vocabulary_size, order, [&](int64_t done, int64_t) {
    check_interrupt();
    progress.update(done);
  });
}

std::vector<std::string> table_row(const EvaluationRow& row, int64_t context) {
  return {row.name,
          row.history == kWindow ? fmt::format("windows of {}", context) : "the whole text",
          fmt::format("{}", row.result.tokens), fmt::format("{:.4f}", row.result.loss),
          fmt::format("{:.4f}", nats_per_byte(row.result))};
}

}  // namespace

void BaselineOptions::add_to(CLI::App& command) {
  CLI::Option* baseline =
      command
          .add_option(
              "--baseline", kind,
              "measure this beside the model, or alone without RUN: kn, the n-gram model of "
              "Kneser and Ney, fitted on the run's training text, or without RUN on the "
              "first 90 % of --data and measured on the rest")
          ->type_name("NAME")
          ->check(CLI::IsMember({"kn"}).description(""));
  command
      .add_option(
          "--order", order,
          fmt::format("tokens of its longest n-grams (1 to {}; default {})", kLargestOrder, order))
      ->type_name("N")
      ->check(CLI::Range(1, kLargestOrder).description(""))
      ->needs(baseline);
}

BaselineReport measure_baseline(const BaselineOptions& options, TokenView train, TokenView text,
                                const EvalWindows* windows, int64_t limit,
                                const Tokenizer& tokenizer, Log& log) {
  const NgramCounts counts = count(train, tokenizer.vocabulary_size(), options.order, log);
  const std::vector<int32_t> bytes = token_bytes(tokenizer);
  const KneserNey modified(counts, Discounting::kThree), plain(counts, Discounting::kOne);
  BaselineReport report{.order = options.order, .fitted_tokens = train.size()};
  std::vector<float> losses;
  const auto add = [&](const KneserNey& model, const char* name) {
    losses.clear();
    if (windows != nullptr)
      report.rows.push_back(
          {name, kWindow,
           evaluate(
               *windows, limit, bytes,
               [&](const Batch& batch) { return baseline_loss(model, batch, losses); },
               [](int64_t, int64_t) { check_interrupt(); })});
    report.rows.push_back({name, kText, evaluate_continuously(model, text, bytes)});
  };
  add(modified, "modified Kneser-Ney");
  report.losses = losses;
  add(plain, "Kneser-Ney");
  return report;
}

void add_mixture(std::span<const float> losses, const Evaluation& result, BaselineReport& report) {
  if (losses.size() < 2) return;
  const Mixture mixture = mix(losses, report.losses);
  report.mixture_weights.assign(mixture.weights.begin(), mixture.weights.end());
  report.rows.push_back({"the model and modified Kneser-Ney", kWindow,
                         make_evaluation(mixture.loss, result.tokens, result.bytes)});
}

nlohmann::ordered_json baseline_json(const BaselineReport& report) {
  nlohmann::ordered_json rows = nlohmann::ordered_json::array();
  for (const EvaluationRow& row : report.rows)
    rows.push_back({{"name", row.name},
                    {"history", row.history},
                    {"loss", row.result.loss},
                    {"nats_per_byte", nats_per_byte(row.result)},
                    {"bits_per_byte", row.result.bits_per_byte},
                    {"perplexity", row.result.perplexity},
                    {"tokens", row.result.tokens},
                    {"bytes", row.result.bytes}});
  nlohmann::ordered_json json = {
      {"order", report.order}, {"fitted_tokens", report.fitted_tokens}, {"measured", rows}};
  if (!report.mixture_weights.empty()) json["mixture_weights"] = report.mixture_weights;
  return json;
}

void print_baseline(const BaselineReport& report, const Evaluation* model, int64_t context,
                    Output& out) {
  std::vector<std::vector<std::string>> table = {
      {fmt::format("order {}, fitted on {} tokens", report.order, report.fitted_tokens),
       "history within", "tokens", "nats per token", "nats per byte"}};
  if (model != nullptr) table.push_back(table_row({"the model", kWindow, *model}, context));
  for (const EvaluationRow& row : report.rows)
    table.push_back(table_row(row, context));
  out.write(bench::text_table(table));
  if (report.mixture_weights.size() == 2)
    out.print(
        "Mixed with a weight of {:.2f} and {:.2f} of the model in the two halves of the text, "
        "each chosen on the other.\n",
        report.mixture_weights[0], report.mixture_weights[1]);
}

}  // namespace cllm::cli
