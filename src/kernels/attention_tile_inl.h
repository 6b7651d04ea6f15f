// Small matrix products on tiles, with a register tile but no packing of the left operand, and the
// moves that bring rows into tile form. Kernel internal.
//
// Tiles are [key][query]. Of a causal tile only the visible part is computed; the rest of a vector
// or strip that a product would touch is set to zero by the pass over probabilities, and everything
// else is neither written nor read. Masking selects, it never adds infinities: no NaN can come from
// it, and a NaN or infinity among the scores still reaches the output.
#pragma once

#include "kernels/attention.h"
#include "kernels/philox_inl.h"
#include "kernels/storage.h"

namespace cllm::kernels {

enum class TileStore { kSet, kAdd, kScaleAdd };  // c = x, c += x, c[i] = factors[i] * c[i] + x

// c [rows, columns] (store) a [rows, depth] b [depth, columns]. a is read one element at a time at
// a[i * a_row + p * a_step]; rows of b are padded to whole vectors, rows of c are not.
// A and B are floats or, on both sides, pairs: two steps of the depth at once.
template <class A = float, class B = float>
struct TileProduct {
  int64_t rows = 0, columns = 0, depth = 0;
  const A* a = nullptr;
  int64_t a_row = 0, a_step = 0;
  const B* b = nullptr;
  int64_t ldb = 0;
  float* c = nullptr;
  int64_t ldc = 0;
  TileStore store = TileStore::kSet;
  const float* factors = nullptr;
};

// The register tile: kVectors vectors wide, and as many rows as the registers hold for the width.
template <class V>
struct TileShape {
  static constexpr int kVectors = V::kLanes == 8 ? 2 : 4;
  static constexpr int kMaxRows = V::kLanes == 1 ? 2 : 8;
  static constexpr int rows(int vectors) {
    return vectors == kVectors && V::kLanes > 1 ? 6 : kMaxRows;
  }
};

// c (R rows, N vectors from (row, column) on) = or += the product over depth [begin, end). Longer
// than a function should be: the sums stay in registers only if load, loop and store are one body.
template <class V, int R, int N, class A, class B>
void tile_strip(const TileProduct<A, B>& t, int64_t row, int64_t column, int64_t begin,
                int64_t end) {
  using F = typename V::Float;
  F sums[R][N];
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j)
      sums[i][j] = V::zero();
  const A* a = t.a + row * t.a_row + begin * t.a_step;
  const B* b = t.b + begin * t.ldb + column;
  for (int64_t p = begin; p < end; ++p, a += t.a_step, b += t.ldb) {
    decltype(V::load(b)) right[N];
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j)
      right[j] = V::load(b + j * V::kLanes);
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i) {
      const auto left = V::set(a[i * t.a_row]);
#pragma GCC unroll 8
      for (int j = 0; j < N; ++j)
        sums[i][j] = V::fma(left, right[j], sums[i][j]);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
    for (int j = 0; j < N; ++j) {
      float* c = t.c + (row + i) * t.ldc + column + j * V::kLanes;
      const int64_t room = t.columns - column - j * V::kLanes;
      const int64_t lanes = room < V::kLanes ? room : V::kLanes;
      F x = sums[i][j];
      if (t.store != TileStore::kSet) {
        const F old = lanes == V::kLanes ? V::load(c) : V::load_partial(c, lanes);
        x = t.store == TileStore::kAdd ? V::add(old, x)
                                       : V::fma(V::set(t.factors[row + i]), old, x);
      }
      if (lanes == V::kLanes)
        V::store(c, x);
      else
        V::store_partial(c, lanes, x);
    }
}

// A strip of `rows` <= TileShape::rows(vectors) rows and `vectors` vectors, over depth [begin,
// end).
template <class V, int N, int R = TileShape<V>::rows(N), class A, class B>
void tile_any_rows(const TileProduct<A, B>& t, int64_t rows, int64_t row, int64_t column,
                   int64_t begin, int64_t end) {
  if constexpr (R > 0) {
    if (rows == R) return tile_strip<V, R, N>(t, row, column, begin, end);
    tile_any_rows<V, N, R - 1>(t, rows, row, column, begin, end);
  }
}

template <class V, class A, class B>
void tile_any_strip(const TileProduct<A, B>& t, int64_t vectors, int64_t rows, int64_t row,
                    int64_t column, int64_t begin, int64_t end) {
  switch (vectors) {
    case 1:
      return tile_any_rows<V, 1>(t, rows, row, column, begin, end);
    case 2:
      return tile_any_rows<V, 2>(t, rows, row, column, begin, end);
    case 3:
      if constexpr (TileShape<V>::kVectors > 2)
        return tile_any_rows<V, 3>(t, rows, row, column, begin, end);
      break;
    default:
      if constexpr (TileShape<V>::kVectors > 2)
        return tile_any_rows<V, 4>(t, rows, row, column, begin, end);
  }
}

// How many of the `left` vectors to take next, so that no panel is much narrower than the others.
template <class V>
int64_t tile_panel(int64_t left) {
  constexpr int64_t kMost = TileShape<V>::kVectors;
  const int64_t panels = (left + kMost - 1) / kMost;
  return (left + panels - 1) / panels;
}

// Which part of a causal tile a product needs. Key j of the tile is visible to its query i when
// j <= i + diagonal.
enum class TilePart {
  kScores,  // rows keys, columns queries: the columns at or after row - diagonal
  kWeigh,   // rows queries, depth keys: the steps up to row + diagonal
  kGather,  // rows keys, depth queries: the steps from row - diagonal on
};

template <class V>
int64_t clamp_to(int64_t x, int64_t low, int64_t high) {
  return x < low ? low : x > high ? high : x;
}

// Queries or keys per step of the depth.
template <class A>
inline constexpr int64_t kStep = 1;
template <>
inline constexpr int64_t kStep<Bf16Pair> = 2;

template <class V, TilePart kPart, class A>
void tile_product(const TileProduct<A, A>& t, int64_t diagonal) {
  constexpr int64_t kLanes = V::kLanes;
  const int64_t width = (t.columns + kLanes - 1) / kLanes;
  if constexpr (kPart == TilePart::kScores) {
    for (int64_t row = 0, rows = 0; row < t.rows; row += rows) {
      int64_t vector = clamp_to<V>(row - diagonal, 0, t.columns) / kLanes;
      rows = clamp_to<V>(TileShape<V>::rows(TileShape<V>::kVectors), 0, t.rows - row);
      for (int64_t n = 0; vector < width; vector += n) {
        n = tile_panel<V>(width - vector);
        tile_any_strip<V>(t, n, rows, row, vector * kLanes, 0, t.depth);
      }
    }
  } else {
    for (int64_t vector = 0, n = 0; vector < width; vector += n) {
      n = tile_panel<V>(width - vector);
      const int64_t most = TileShape<V>::rows(static_cast<int>(n));
      for (int64_t row = 0, rows = 0; row < t.rows; row += rows) {
        rows = clamp_to<V>(most, 0, t.rows - row);
        const bool weigh = kPart == TilePart::kWeigh;
        const int64_t first = clamp_to<V>(row - diagonal, 0, t.depth * kStep<A>) / kStep<A>;
        const int64_t last =
            clamp_to<V>((row + rows + diagonal + kStep<A> - 1) / kStep<A>, 0, t.depth);
        const int64_t begin = weigh ? 0 : first, end = weigh ? last : t.depth;
        tile_any_strip<V>(t, n, rows, row, vector * kLanes, begin, end);
      }
    }
  }
}

// The rows of a tile for one vector of queries: [0, full) are visible to all its lanes, [full,
// visible) to some, [visible, cleared) to none but are read by the products that follow.
struct TileColumn {
  int64_t full, visible, cleared;
};

template <class V>
TileColumn tile_column(int64_t first_query, int64_t keys, int64_t diagonal) {
  const int64_t full = clamp_to<V>(first_query + diagonal + 1, 0, keys);
  const int64_t visible = clamp_to<V>(first_query + diagonal + V::kLanes, 0, keys);
  return {full, visible, clamp_to<V>(visible + TileShape<V>::kMaxRows, 0, keys)};
}

// lane < first_visible ? hidden : x; for the rows that only some lanes see.
template <class V>
typename V::Float hide(typename V::Float x, float hidden, int64_t first_visible) {
  static constexpr float kLane[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  return V::select_less(V::load(kLane), V::set(static_cast<float>(first_visible)), V::set(hidden),
                        x);
}

// attention_padded, under a name of this instruction set's own.
template <class V>
int64_t padded_head(int64_t D) {
  return (D + 15) / 16 * 16;
}

// out [rows, padded_head(D)] = x [rows, D], padded with zeros.
template <class V, class S>
void copy_rows(int64_t rows, int64_t D, ConstRows<S> x, float* out) {
  const int64_t padded = padded_head<V>(D);
  for (int64_t r = 0; r < rows; ++r, out += padded) {
    const S* row = x.data + r * x.stride;
    int64_t d = 0;
    for (; d + V::kLanes <= D; d += V::kLanes)
      V::store(out + d, V::load(row + d));
    for (; d < padded; d += V::kLanes)
      V::store(out + d, d < D ? V::load_partial(row + d, D - d) : V::zero());
  }
}

// `rows` rows of x [rows, D] as fp32: where they lie if they are, else copied to `copy` (padded).
template <class V, class S>
ConstRows<float> as_floats(int64_t rows, int64_t D, ConstRows<S> x, float* copy) {
  if constexpr (kStorageOf<S> == Storage::kFp32) {
    return x;
  } else {
    copy_rows<V>(rows, D, x, copy);
    return {copy, padded_head<V>(D)};
  }
}

// The rows from `first` on.
template <class V, class S>
ConstRows<S> rows_from(ConstRows<S> x, int64_t first) {
  return {x.data + first * x.stride, x.stride};
}

// Asks for rows that are read after the next product: they lie a whole token apart, which no
// hardware prefetcher follows.
template <class V, class S>
void prefetch_rows(int64_t rows, int64_t D, ConstRows<S> x) {
  constexpr int64_t kLine = 64 / sizeof(S);
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t d = 0; d < D; d += kLine)
      __builtin_prefetch(x.data + r * x.stride + d, 0, 2);
}

// out [D] = factor * x; x is padded to whole vectors, out is not.
template <class V, class S>
void store_row(int64_t D, const float* x, float factor, S* out) {
  int64_t d = 0;
  for (; d + V::kLanes <= D; d += V::kLanes)
    V::store(out + d, V::mul(V::load(x + d), V::set(factor)));
  if (d < D) V::store_partial(out + d, D - d, V::mul(V::load(x + d), V::set(factor)));
}

// out [columns, ld] = x [rows, columns] transposed; columns rows .. ld of out are zero. load(r, c)
// gives a vector of row r from column c on, load(r, c, width) the first elements of one.
template <class V, class Load>
void transpose_loaded(int64_t rows, int64_t columns, int64_t ld, float* out, Load load) {
  constexpr int64_t kLanes = V::kLanes;
  typename V::Float square[V::kLanes];
  for (int64_t c = 0; c < columns; c += kLanes) {
    const int64_t width = clamp_to<V>(columns - c, 0, kLanes);
    for (int64_t r = 0; r < ld; r += kLanes) {
      if (width == kLanes && r + kLanes <= rows) {
#pragma GCC unroll 16
        for (int i = 0; i < V::kLanes; ++i)
          square[i] = load(r + i, c);
      } else {
        for (int i = 0; i < V::kLanes; ++i)
          square[i] = r + i < rows ? load(r + i, c, width) : V::zero();
      }
      V::transpose(square);
#pragma GCC unroll 16
      for (int i = 0; i < V::kLanes; ++i)
        if (i < width) V::store(out + (c + i) * ld + r, square[i]);
    }
  }
}

// out [columns, ld] = factor * x [rows, columns] transposed.
template <class V, class S>
void transpose_rows(int64_t rows, int64_t columns, ConstRows<S> x, float factor, int64_t ld,
                    float* out) {
  transpose_loaded<V>(rows, columns, ld, out, [&](int64_t r, int64_t c, auto... width) {
    const S* p = x.data + r * x.stride + c;
    if constexpr (sizeof...(width) == 0)
      return V::mul(V::load(p), V::set(factor));
    else
      return V::mul(V::load_partial(p, width...), V::set(factor));
  });
}

// factors [keys][kQueryBlock] = the dropout factors of a tile, 0 where a query does not see a key.
// rows: kQueryBlock * kKeyBlock floats of scratch.
template <class V>
void dropout_tile(const AttentionDropout& dropout, int64_t queries, int64_t first_key, int64_t keys,
                  int64_t diagonal, float* rows, float* factors) {
  for (int64_t i = 0; i < queries; ++i) {
    float* row = rows + i * kKeyBlock;
    const int64_t visible = clamp_to<V>(i + diagonal + 1, 0, keys);
    const uint64_t first =
        dropout.first + static_cast<uint64_t>(i) * dropout.row + static_cast<uint64_t>(first_key);
    dropout_factors<V>(dropout.stream, first, visible, dropout.threshold, dropout.scale, row);
    for (int64_t s = visible; s < keys; ++s)
      row[s] = 0;
  }
  transpose_rows<V, float>(queries, keys, {rows, kKeyBlock}, 1.0f, kQueryBlock, factors);
}

}  // namespace cllm::kernels
