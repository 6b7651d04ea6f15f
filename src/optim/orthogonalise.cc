#include "optim/orthogonalise.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "ops/gemm.h"
#include "tensor/planner.h"

namespace cllm::optim {
namespace {

// p(s) = a s + b s^3 + c s^5, five times.
constexpr int kSteps = 5;
constexpr float kA = 3.4445f, kB = -4.7750f, kC = 2.0315f;

// The norm that a matrix is taken to have at least: its squares, and those of its Gram matrix, stay
// normal numbers.
constexpr double kSmallestNorm = 1e-12;
// Rows of one product of a symmetric matrix; what lies left of them is not computed. A whole
// product at once takes a fifth longer for n = 384, two fifths for 768 (4 cores); 96 is as good.
constexpr int64_t kBandRows = 192;
// Side of the square that is mirrored at a time: 16 lines of 64 bytes and their mirror image.
constexpr int64_t kMirrorTile = 16;

int64_t square_floats(int64_t n) {
  return (n * n + Planner::kAlignment - 1) / Planner::kAlignment * Planner::kAlignment;
}

// out = p(p(...)) as a polynomial in the Gram matrix. Every matrix here is [n, n] and symmetric;
// products are made above the diagonal (the diagonal and some left of it included) and mirrored.
class Iteration {
 public:
  Iteration(const ops::Context& context, int64_t n, float* scratch)
      : context_(context),
        n_(n),
        gram_(scratch),
        product_(gram_ + square_floats(n)),
        polynomial_(product_ + square_floats(n)),
        total_(polynomial_ + square_floats(n)),
        gemm_(total_ + square_floats(n)) {}

  // Returns q [n, n] with out = q x, or x q if x is tall.
  const float* run(int64_t rows, int64_t columns, const float* x) {
    const double norm = start(rows, columns, x);
    for (int step = 0; step < kSteps; ++step)
      advance(step);
    scale(static_cast<float>(1 / norm), total_);
    return total_;
  }

 private:
  // gram_ = x x^T, or x^T x if x is tall, divided by its trace; returns the norm of x.
  double start(int64_t rows, int64_t columns, const float* x) {
    const bool tall = rows > columns;
    upper_product({.k = tall ? rows : columns,
                   .a = x,
                   .lda = columns,
                   .a_transposed = tall,
                   .b = x,
                   .ldb = columns,
                   .b_transposed = !tall,
                   .c = gram_});
    double trace = 0;
    for (int64_t i = 0; i < n_; ++i)
      trace += static_cast<double>(gram_[i * n_ + i]);
    const double norm = std::max(std::sqrt(trace), kSmallestNorm);
    scale(static_cast<float>(1 / (norm * norm)), gram_);
    return norm;
  }

  // With p = a + b gram + c gram^2: total_ = total_ p, gram_ = gram_ p^2. The last step leaves only
  // the upper half of total_.
  void advance(int step) {
    multiply(gram_, gram_, product_);
    for_each_pair([this](int64_t at, int64_t opposite) {
      const float value = kB * gram_[at] + kC * product_[at] + (at == opposite ? kA : 0.0f);
      polynomial_[at] = polynomial_[opposite] = value;
    });
    const bool last = step + 1 == kSteps;
    if (!last) {
      multiply(gram_, polynomial_, product_);
      scale(1, product_);
      multiply(product_, polynomial_, gram_);
      scale(1, gram_);
    }
    if (step == 0) return std::swap(total_, polynomial_);
    multiply(total_, polynomial_, product_);
    if (!last) scale(1, product_);
    std::swap(total_, product_);
  }

  // The upper half of c = a b.
  void multiply(const float* a, const float* b, float* c) {
    upper_product({.k = n_, .a = a, .lda = n_, .b = b, .ldb = n_, .c = c});
  }

  // The same for the operands of `whole`, in bands of rows.
  void upper_product(const ops::Gemm& whole) {
    for (int64_t row = 0; row < n_; row += kBandRows) {
      ops::Gemm band = whole;
      band.m = std::min(kBandRows, n_ - row);
      band.n = n_ - row;
      band.a += row * (whole.a_transposed ? 1 : whole.lda);
      band.b += row * (whole.b_transposed ? whole.ldb : 1);
      band.c += row * n_ + row;
      band.ldc = n_;
      ops::gemm(context_, band, gemm_);
    }
  }

  // Both halves of `matrix` = factor * its upper half.
  void scale(float factor, float* matrix) {
    for_each_pair(
        [=](int64_t at, int64_t opposite) { matrix[at] = matrix[opposite] = factor * matrix[at]; });
  }

  // body(place of (i, j), place of (j, i)) for all i <= j.
  template <class Body>
  void for_each_pair(Body body) {
    const int64_t tiles = (n_ + kMirrorTile - 1) / kMirrorTile;
    context_.pool.parallel_for(tiles, [&](int64_t tile, int) {
      const int64_t top = tile * kMirrorTile, bottom = std::min(n_, top + kMirrorTile);
      for (int64_t left = top; left < n_; left += kMirrorTile)
        for (int64_t i = top; i < bottom; ++i)
          for (int64_t j = std::max(i, left); j < std::min(n_, left + kMirrorTile); ++j)
            body(i * n_ + j, j * n_ + i);
    });
  }

  const ops::Context& context_;
  int64_t n_;
  float *gram_, *product_, *polynomial_, *total_, *gemm_;
};

}  // namespace

double orthogonalise_flops(int64_t rows, int64_t columns) {
  const int64_t n = std::min(rows, columns);
  double upper = 0;  // elements of a symmetric product that are computed
  for (int64_t row = 0; row < n; row += kBandRows)
    upper += static_cast<double>(std::min(kBandRows, n - row) * (n - row));
  const auto s = static_cast<double>(n), l = static_cast<double>(std::max(rows, columns));
  return 2 * (17 * upper * s + upper * l + s * s * l);
}

int64_t orthogonalise_scratch(const ops::Context& context, int64_t rows, int64_t columns) {
  const int64_t n = std::min(rows, columns), depth = std::max(rows, columns);
  const ops::Gemm symmetric{.m = std::min(kBandRows, n), .n = n, .k = depth};
  ops::Gemm first = symmetric;  // x^T x of a tall x
  first.a_transposed = rows > columns;
  const ops::Gemm last{.m = rows, .n = columns, .k = n};
  return 4 * square_floats(n) +
         static_cast<int64_t>(
             std::max({ops::gemm_scratch(context, symmetric), ops::gemm_scratch(context, first),
                       ops::gemm_scratch(context, last)}));
}

void orthogonalise(const ops::Context& context, int64_t rows, int64_t columns, const float* x,
                   float* out, float* scratch) {
  CHECK_MSG(rows >= 1 && columns >= 1, "rows={} columns={}", rows, columns);
  const bool tall = rows > columns;
  const int64_t n = std::min(rows, columns);
  const float* q = Iteration(context, n, scratch).run(rows, columns, x);
  ops::gemm(context,
            {.m = rows,
             .n = columns,
             .k = n,
             .a = tall ? x : q,
             .lda = n,
             .b = tall ? q : x,
             .ldb = columns,
             .c = out,
             .ldc = columns},
            scratch + 4 * square_floats(n));
}

}  // namespace cllm::optim
