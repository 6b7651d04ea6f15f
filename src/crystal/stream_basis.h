// Which directions of the residual stream a narrower model keeps: the first coordinates, or the
// principal directions of what the norms give to the layers behind them (SliceGPT, Ashkboos et al.,
// arXiv 2401.15024). There is one basis for all of the stream: a basis per layer would need a
// matrix on every skip connection between two of them, and the result would be another kind of
// model.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "threads/pool.h"

namespace cllm {

// The new stream is x R: columns of R are orthonormal.
struct StreamBasis {
  size_t from = 0, to = 0;      // C, W
  std::vector<double> columns;  // R [C, W], row-major
};

// The first `to` coordinates.
StreamBasis leading_coordinates(size_t from, size_t to);

// The `to` eigenvectors of `moment` [from, from] with the largest eigenvalues. centred: of a stream
// whose vectors have mean zero, and must keep it, since a LayerNorm takes the mean away; one of the
// `to` directions then carries nothing: R maps the direction of the mean of C numbers to that of W
// numbers, and `moment` is taken without it. Cost: symmetric_eigen.
StreamBasis principal_directions(std::span<const double> moment, size_t from, size_t to,
                                 bool centred, ThreadPool& pool);

// moment [n, n] = P moment P, P = I - 1 1^T / n: what it is of vectors without their mean.
void centre_both_sides(std::span<double> moment, size_t n);

// The share of the trace of `moment` that the basis keeps, where `centred` after a LayerNorm of the
// new width took its mean away. 2 C^2 W multiplications.
double kept_share(std::span<const double> moment, const StreamBasis& basis, bool centred,
                  ThreadPool& pool);

}  // namespace cllm
