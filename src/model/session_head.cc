// The end of a Session's forward pass: the head, slice by slice of rows, the prior that is added to
// its logits, and the loss.
#include <algorithm>

#include "base/check.h"
#include "model/head_rows.h"
#include "model/session.h"
#include "ops/cross_entropy.h"

namespace cllm {

static_assert(nn::kHistoryTokens + 1 >= kLongestPrior);

// The prior of the rows [first, first + rows) of a batch; null without one. What is trained on is
// left out of the counts. Rows without a target are skipped.
const float* Session::prior_of_rows(const nn::Run& run, const int32_t* tokens,
                                    const int32_t* targets, int64_t first, int64_t rows) {
  const LogitPrior* prior = model_.prior();
  if (prior == nullptr) return nullptr;
  const ops::ProfileScope scope(context_.profile, "prior");
  const int64_t V = model_.config().vocabulary_size, T = run.T;
  float* out = run.at(slots_.prior);
  context_.pool.parallel_for(rows, [&](int64_t row, int) {
    const int64_t n = first + row, begin = n / T * T;
    if (targets[n] < 0) return;
    prior->log_probabilities({tokens + begin, static_cast<size_t>(n + 1 - begin)},
                             run.training ? targets[n] : LogitPrior::kNothing, out + row * V);
  });
  return out;
}

// logits [rows, V], capped, += the prior after history(row).
template <class History>
void Session::add_prior(const nn::Run& run, int64_t rows, History history, float* logits) {
  const LogitPrior* prior = model_.prior();
  if (prior == nullptr) return;
  const int64_t V = model_.config().vocabulary_size, slice = head_rows(model_, shape_);
  float* added = run.at(slots_.prior);
  for (int64_t begin = 0; begin < rows; begin += slice)
    context_.pool.parallel_for(std::min(slice, rows - begin), [&](int64_t task, int) {
      float* const from = added + task * V;
      float* const to = logits + (begin + task) * V;
      prior->log_probabilities(history(begin + task), LogitPrior::kNothing, from);
      for (int64_t v = 0; v < V; ++v)
        to[v] += from[v];
    });
}

double Session::head_loss(const nn::Run& run, const Batch& batch, float gradient_scale) {
  const int64_t N = run.rows(), C = model_.config().width, V = model_.config().vocabulary_size;
  const int64_t slice = head_rows(model_, shape_);
  const auto cap = static_cast<float>(model_.config().logit_softcap);
  const ops::Values logits = run.values(slots_.logits);
  float* losses = run.at(slots_.losses);
  for (int64_t begin = 0; begin < N; begin += slice) {
    const int64_t rows = std::min(slice, N - begin);
    const ops::ConstValues x = run.values(slots_.final) + begin * C;
    model_.head().forward(run, slots_.scratch, slots_.head, rows, x, logits);
    const float* added = prior_of_rows(run, batch.tokens, batch.targets, begin, rows);
    ops::cross_entropy(context_, rows, V, cap, batch.targets + begin, gradient_scale, logits,
                       losses + begin, added);
    if (gradient_scale != 0)
      model_.head().backward(run, slots_.scratch, slots_.head, rows, x, logits,
                             run.values(slots_.dfinal) + begin * C);
  }
  return ops::sum_losses(N, losses);
}

// Of `rows` rows of x [rows, C], as they are sampled from: capped, with the prior.
template <class History>
void Session::finished_logits(const nn::Run& run, int64_t rows, const float* x, History history,
                              float* logits) {
  const ModelConfig& config = model_.config();
  model_.head().forward(run, slots_.scratch, slots_.head, rows, x, logits);
  if (config.logit_softcap > 0)
    ops::softcap(context_, rows, config.vocabulary_size, static_cast<float>(config.logit_softcap),
                 logits);
  add_prior(run, rows, history, logits);
}

void Session::logits(std::span<const int32_t> tokens, const float* weights, float* logits) {
  CHECK(shape_.storage == ops::Storage::kFp32);
  const nn::Run run = make_forward_run(1, static_cast<int64_t>(tokens.size()), weights);
  forward_trunk(run, tokens.data());
  const auto history = [tokens](int64_t t) { return tokens.first(static_cast<size_t>(t) + 1); };
  finished_logits(run, run.T, run.at(slots_.final), history, logits);
}

std::span<float> Session::head_logits(std::span<const float> hidden, const DecodeWeights& weights,
                                      std::span<const nn::KvCache> caches) {
  const int64_t C = model_.config().width, B = std::ssize(hidden) / C;
  CHECK_MSG(std::ssize(hidden) == B * C && B <= ops::kDecodeRows, "{} floats, C={}", hidden.size(),
            C);
  CHECK(model_.prior() == nullptr || std::ssize(caches) == B);
  nn::Run run = make_run(B, 1, weights.values());
  run.stored = weights.matrices();
  float* logits = run.at(slots_.logits);
  const auto history = [caches](int64_t b) { return caches[static_cast<size_t>(b)].history(); };
  finished_logits(run, B, hidden.data(), history, logits);
  return {logits, static_cast<size_t>(B * model_.config().vocabulary_size)};
}

void Session::candidate_logits(std::span<const float> hidden, const DecodeWeights& weights,
                               std::span<const int32_t> tokens, std::span<float> logits) {
  CHECK_EQ(std::ssize(hidden), model_.config().width);
  CHECK_EQ(tokens.size(), logits.size());
  CHECK(model_.prior() == nullptr);
  nn::Run run = make_run(1, 1, weights.values());
  run.stored = weights.matrices();
  model_.head().forward_rows(run, slots_.head, tokens, hidden.data(), logits.data());
  if (model_.config().logit_softcap > 0)
    ops::softcap(context_, 1, std::ssize(tokens), static_cast<float>(model_.config().logit_softcap),
                 logits.data());
}

}  // namespace cllm
