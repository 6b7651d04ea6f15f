#include "crystal/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace cllm {
namespace {

constexpr size_t kChunk = 128;  // columns that a thread turns at a time
// Each eigenvalue takes two steps on average; more than this never happens to finite numbers.
constexpr int kMostSteps = 100;

struct Tridiagonal {
  std::vector<double> diagonal, below;  // [n]; below[i] stands between i and i + 1, the last is 0
};

template <class Body>
void for_rows(ThreadPool& pool, size_t first, size_t last, Body body) {
  pool.parallel_for(static_cast<int64_t>(last - first),
                    [&](int64_t task, int) { body(first + static_cast<size_t>(task)); });
}

// H = I - factor v v^T, with v[k] = 0 for k <= index and v[index + 1] = 1.
struct Reflection {
  size_t index = 0;
  double factor = 0;
  std::vector<double> v;  // of the places from index + 1 on
};

// The reflection that turns x into a multiple of its first axis, and that multiple.
Reflection reflect(std::span<const double> x, size_t index, double& multiple) {
  Reflection result{.index = index, .factor = 0, .v = {x.begin(), x.end()}};
  double rest = 0;  // squares behind the first
  for (size_t i = 1; i < x.size(); ++i)
    rest += x[i] * x[i];
  multiple = x[0];
  result.v[0] = 1;
  if (rest == 0) return result;
  // The sign that adds: no cancellation.
  multiple = -std::copysign(std::sqrt(x[0] * x[0] + rest), x[0]);
  const double first = x[0] - multiple;
  for (size_t i = 1; i < x.size(); ++i)
    result.v[i] /= first;
  result.factor = -first / multiple;
  return result;
}

// a [n, n] = H a H on the rows and columns behind the reflection's index.
void reflect_both_sides(std::vector<double>& a, size_t n, const Reflection& h, ThreadPool& pool) {
  const size_t first = h.index + 1, size = n - first;
  std::vector<double> p(size);
  for_rows(pool, first, n, [&](size_t i) {
    const double* const row = a.data() + i * n + first;
    double sum = 0;
    for (size_t j = 0; j < size; ++j)
      sum += row[j] * h.v[j];
    p[i - first] = h.factor * sum;
  });
  const double half = h.factor / 2 * std::inner_product(p.begin(), p.end(), h.v.begin(), 0.0);
  for (size_t i = 0; i < size; ++i)
    p[i] -= half * h.v[i];
  for_rows(pool, first, n, [&](size_t i) {
    double* const row = a.data() + i * n + first;
    const double v = h.v[i - first], w = p[i - first];
    for (size_t j = 0; j < size; ++j)
      row[j] -= v * p[j] + w * h.v[j];
  });
}

// a is overwritten; rows [n, n] = Q^T of a = Q T Q^T.
Tridiagonal tridiagonalise(std::vector<double>& a, size_t n, std::vector<double>& rows,
                           ThreadPool& pool) {
  Tridiagonal t{.diagonal = std::vector<double>(n), .below = std::vector<double>(n)};
  std::vector<Reflection> reflections;
  for (size_t k = 0; k + 1 < n; ++k) {
    t.diagonal[k] = a[k * n + k];
    reflections.push_back(reflect(std::span(a).subspan(k * n + k + 1, n - k - 1), k, t.below[k]));
    if (reflections.back().factor != 0) reflect_both_sides(a, n, reflections.back(), pool);
  }
  t.diagonal[n - 1] = a[n * n - 1];
  rows.assign(n * n, 0);
  for (size_t i = 0; i < n; ++i)
    rows[i * n + i] = 1;
  // Q^T = H_{n-2} ... H_0, from the left end on: before H_k only rows behind k are not those of I.
  for (size_t k = reflections.size(); k-- > 0;) {
    const Reflection& h = reflections[k];
    if (h.factor == 0) continue;
    for_rows(pool, k + 1, n, [&](size_t i) {
      double* const row = rows.data() + i * n + k + 1;
      double sum = 0;
      for (size_t j = 0; j < h.v.size(); ++j)
        sum += row[j] * h.v[j];
      sum *= h.factor;
      for (size_t j = 0; j < h.v.size(); ++j)
        row[j] -= sum * h.v[j];
    });
  }
  return t;
}

// Of the rows `row` and `row` + 1.
struct Turn {
  size_t row;
  double cosine, sine;
};

// One implicit QL step on the unreduced part [first, last] of t.
void ql_step(Tridiagonal& t, size_t first, size_t last, std::vector<Turn>& turns) {
  std::vector<double>& d = t.diagonal;
  std::vector<double>& e = t.below;
  // Wilkinson's shift: the eigenvalue of the leading 2 x 2 block that is nearer to its corner.
  const double gap = (d[first + 1] - d[first]) / (2 * e[first]);
  const double shift = d[first] - e[first] / (gap + std::copysign(std::hypot(gap, 1), gap));
  double g = d[last] - shift, sine = 1, cosine = 1, p = 0;
  turns.clear();
  for (size_t i = last; i-- > first;) {
    const double f = sine * e[i], b = cosine * e[i];
    const double r = std::hypot(f, g);
    e[i + 1] = r;
    if (r == 0) {  // the part falls apart here
      d[i + 1] -= p;
      e[last] = 0;
      return;
    }
    sine = f / r;
    cosine = g / r;
    const double before = d[i + 1] - p;
    const double s = (d[i] - before) * sine + 2 * cosine * b;
    p = sine * s;
    d[i + 1] = before + p;
    g = cosine * s - b;
    turns.push_back({i, cosine, sine});
  }
  d[first] -= p;
  e[first] = g;
  e[last] = 0;
}

void turn_rows(std::vector<double>& rows, size_t n, const std::vector<Turn>& turns,
               ThreadPool& pool) {
  pool.parallel_for(static_cast<int64_t>((n + kChunk - 1) / kChunk), [&](int64_t task, int) {
    const size_t first = static_cast<size_t>(task) * kChunk, last = std::min(n, first + kChunk);
    for (const Turn& turn : turns) {
      double* const upper = rows.data() + turn.row * n;
      double* const lower = upper + n;
      for (size_t j = first; j < last; ++j) {
        const double x = upper[j], y = lower[j];
        lower[j] = turn.sine * x + turn.cosine * y;
        upper[j] = turn.cosine * x - turn.sine * y;
      }
    }
  });
}

// t becomes diagonal; rows follow.
void diagonalise(Tridiagonal& t, std::vector<double>& rows, size_t n, ThreadPool& pool) {
  std::vector<Turn> turns;
  for (size_t first = 0; first < n; ++first) {
    for (int step = 0;; ++step) {
      size_t last = first;
      while (last + 1 < n && std::abs(t.below[last]) > 0x1p-53 * (std::abs(t.diagonal[last]) +
                                                                  std::abs(t.diagonal[last + 1])))
        ++last;
      if (last == first) break;
      CHECK_MSG(step < kMostSteps, "QL of {} rows stays at {}", n, first);
      ql_step(t, first, last, turns);
      turn_rows(rows, n, turns, pool);
    }
  }
}

}  // namespace

SymmetricEigen symmetric_eigen(std::span<const double> matrix, size_t n, ThreadPool& pool) {
  CHECK(n >= 1 && matrix.size() == n * n);
  double largest = 0;
  for (const double entry : matrix) {
    CHECK(std::isfinite(entry));
    largest = std::max(largest, std::abs(entry));
  }
  // Squares of entries must neither overflow nor vanish.
  const double scale = largest > 0 ? largest : 1;
  std::vector<double> a(matrix.begin(), matrix.end());
  for (double& entry : a)
    entry /= scale;
  std::vector<double> rows;
  Tridiagonal t = tridiagonalise(a, n, rows, pool);
  diagonalise(t, rows, n, pool);
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::ranges::stable_sort(order,
                           [&](size_t i, size_t j) { return t.diagonal[i] > t.diagonal[j]; });
  SymmetricEigen result;
  for (const size_t i : order) {
    result.values.push_back(t.diagonal[i] * scale);
    const auto row = rows.begin() + static_cast<ptrdiff_t>(i * n);
    result.vectors.insert(result.vectors.end(), row, row + static_cast<ptrdiff_t>(n));
  }
  return result;
}

}  // namespace cllm
