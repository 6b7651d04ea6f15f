// The sparse products of a composite head (ops/composite.h). Rows are taken kLanes at a time with
// those of one piece side by side, so that a piece of a token is one addition of kLanes numbers;
// the block of u stays in the second-level cache while the codes and the logits stream by.
#include <algorithm>

#include "base/check.h"
#include "ops/composite.h"

namespace cllm::ops {
namespace {

constexpr int64_t kLanes = 16;
constexpr int64_t kTile = 64;           // tokens whose logits are turned at a time
constexpr int64_t kTaskTokens = 4096;   // of a task: few rows keep several threads busy
constexpr int64_t kTurnedPieces = 128;  // pieces that are turned at a time

// to [K, kLanes] = the rows of u [rows, K], turned; zeros where there are fewer than kLanes.
template <class S>
void turn_in(const kernels::RowKernels<S>& kernels, int64_t rows, int64_t K, const S* u,
             float* to) {
  alignas(64) float line[kTurnedPieces] = {};
  for (int64_t first = 0; first < K; first += kTurnedPieces) {
    const int64_t count = std::min(kTurnedPieces, K - first);
    for (int64_t r = 0; r < kLanes; ++r) {
      if (r < rows)
        kernels.widen(count, u + r * K + first, line);
      else
        std::fill_n(line, count, 0.0f);
      for (int64_t i = 0; i < count; ++i)
        to[(first + i) * kLanes + r] = line[i];
    }
  }
}

// The inverse.
template <class S>
void turn_out(const kernels::RowKernels<S>& kernels, int64_t rows, int64_t K, const float* from,
              S* u) {
  alignas(64) float line[kTurnedPieces];
  for (int64_t first = 0; first < K; first += kTurnedPieces) {
    const int64_t count = std::min(kTurnedPieces, K - first);
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t i = 0; i < count; ++i)
        line[i] = from[(first + i) * kLanes + r];
      kernels.narrow(count, line, u + r * K + first);
    }
  }
}

// Logits of the tokens [begin, end) of a block of rows.
template <class S>
void sum_tokens(const kernels::RowKernels<S>& kernels, const Codes& codes, int64_t begin,
                int64_t end, int64_t rows, const float* u, S* logits) {
  alignas(64) float out[kLanes][kTile];
  for (int64_t first = begin; first < end; first += kTile) {
    const int64_t count = std::min(kTile, end - first);
    for (int64_t t = 0; t < count; ++t) {
      alignas(64) float sum[kLanes] = {};
      for (int32_t i = codes.offsets[first + t]; i < codes.offsets[first + t + 1]; ++i) {
        const float* const piece = u + codes.pieces[i] * kLanes;
        for (int64_t r = 0; r < kLanes; ++r)
          sum[r] += piece[r];
      }
      for (int64_t r = 0; r < kLanes; ++r)
        out[r][t] = codes.scales[first + t] * sum[r];
    }
    for (int64_t r = 0; r < rows; ++r)
      kernels.narrow(count, out[r], logits + r * codes.V + first);
  }
}

// du [K, kLanes] = the gradients of all tokens of a block of rows.
template <class S>
void scatter_tokens(const kernels::RowKernels<S>& kernels, const Codes& codes, int64_t rows,
                    const S* dlogits, float* du) {
  alignas(64) float in[kLanes][kTile] = {};
  std::fill_n(du, codes.K * kLanes, 0.0f);
  for (int64_t first = 0; first < codes.V; first += kTile) {
    const int64_t count = std::min(kTile, codes.V - first);
    for (int64_t r = 0; r < rows; ++r)
      kernels.widen(count, dlogits + r * codes.V + first, in[r]);
    for (int64_t t = 0; t < count; ++t) {
      alignas(64) float gradient[kLanes];
      for (int64_t r = 0; r < kLanes; ++r)
        gradient[r] = codes.scales[first + t] * in[r][t];
      for (int32_t i = codes.offsets[first + t]; i < codes.offsets[first + t + 1]; ++i) {
        float* const piece = du + codes.pieces[i] * kLanes;
        for (int64_t r = 0; r < kLanes; ++r)
          piece[r] += gradient[r];
      }
    }
  }
}

}  // namespace

void composite_logits(const Context& context, int64_t N, const Codes& codes, ConstValues u,
                      Values logits, float* scratch) {
  const ProfileScope scope(context.profile, "composite logits");
  CHECK(u.storage() == logits.storage());
  const int64_t parts = (codes.V + kTaskTokens - 1) / kTaskTokens;
  const int64_t blocks = (N + kLanes - 1) / kLanes;
  with_storage(u.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const auto& kernels = context.kernels.of<S>().rows;
    context.pool.parallel_for(blocks * parts, [&](int64_t task, int worker) {
      const int64_t n = task / parts * kLanes, begin = task % parts * kTaskTokens;
      const int64_t rows = std::min(kLanes, N - n);
      float* const turned = scratch + worker * codes.K * kLanes;
      turn_in(kernels, rows, codes.K, u.as<S>() + n * codes.K, turned);
      sum_tokens(kernels, codes, begin, std::min(codes.V, begin + kTaskTokens), rows, turned,
                 logits.as<S>() + n * codes.V);
    });
  });
}

void composite_logits_backward(const Context& context, int64_t N, const Codes& codes,
                               ConstValues dlogits, Values du, float* scratch) {
  const ProfileScope scope(context.profile, "composite logits backward");
  CHECK(du.storage() == dlogits.storage());
  const int64_t blocks = (N + kLanes - 1) / kLanes;
  with_storage(du.storage(), [&](auto tag) {
    using S = typename decltype(tag)::Type;
    const auto& kernels = context.kernels.of<S>().rows;
    context.pool.parallel_for(blocks, [&](int64_t block, int worker) {
      const int64_t n = block * kLanes, rows = std::min(kLanes, N - n);
      float* const turned = scratch + worker * codes.K * kLanes;
      scatter_tokens(kernels, codes, rows, dlogits.as<S>() + n * codes.V, turned);
      turn_out(kernels, rows, codes.K, turned, du.as<S>() + n * codes.K);
    });
  });
}

int64_t composite_logits_scratch(const Context& context, const Codes& codes) {
  return context.pool.size() * codes.K * kLanes;
}

}  // namespace cllm::ops
