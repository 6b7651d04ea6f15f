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
  const nn::Run run = make_run(1, static_cast<int64_t>(tokens.size()), weights);
  forward_trunk(run, tokens.data());
  const auto history = [tokens](int64_t t) { return tokens.first(static_cast<size_t>(t) + 1); };
  finished_logits(run, run.T, run.at(slots_.final), history, logits);
}

std::span<float> Session::extend(std::span<const int32_t> tokens, const DecodeWeights& weights,
                                 std::span<nn::KvCache> caches) {
  const auto B = static_cast<int64_t>(caches.size()), N = static_cast<int64_t>(tokens.size());
  CHECK_MSG(B >= 1 && B <= ops::kDecodeRows && N % B == 0 && weights.type() == shape_.weights,
            "B={} N={}", B, N);
  const int64_t T = N / B;
  nn::Run run = make_run(B, T, weights.values());
  run.stored = weights.matrices();
  run.caches = caches;
  gather(run, tokens, weights);
  forward_blocks(run);
  final_norm(run);
  for (size_t b = 0; b < caches.size(); ++b) {
    CHECK_MSG(caches[b].capacity <= shape_.S, "capacity {}, planned {}", caches[b].capacity,
              shape_.S);
    caches[b].append(tokens.subspan(b * static_cast<size_t>(T), static_cast<size_t>(T)));
  }
  float* logits = run.at(slots_.logits);
  const float* last = run.at(slots_.final) + (B == 1 ? (T - 1) * model_.config().width : 0);
  const auto history = [caches](int64_t b) { return caches[static_cast<size_t>(b)].history(); };
  finished_logits(run, B, last, history, logits);
  return {logits, static_cast<size_t>(B * model_.config().vocabulary_size)};
}

}  // namespace cllm
