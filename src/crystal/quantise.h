// Quantises a linear layer to integers times a step, against the layer's own inputs: minimises the
// sum over rows w of W of (w - v)^T H (w - v), H = X^T X / N, with v = scale * z. Four methods, one
// interface:
//   rtn        rounds each weight;
//   gptq       rounds column after column and feeds the error on (Babai's nearest plane, 1986);
//   lll-babai  the nearest plane in an LLL-reduced basis of the same lattice, block by block of
//              columns, with GPTQ's feedback between blocks;
//   lll-kbest  in that basis, the breadth-first search that keeps the K nearest partial points.
// Integers are in the original basis whatever the basis of the search, so decoding is the same.
//
// The augmentation (reference: minimum mean squared error, as in lattice codes of Erez and Zamir
// 2004): integers are coded at their entropy, and -log2 of a normal density is quadratic, so the
// Lagrangian error + rate is again a lattice problem, with H + mu I for H and (H + mu I)^-1 H w for
// w. mu is the water level over the weights' variance, the solution of
//   mu = s^2 / (12 var(w)) det(H + mu I)^(1/n)    for H of trace n.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "threads/pool.h"

namespace cllm {

enum class QuantiseMethod { kRtn, kGptq, kLllBabai, kLllKbest };

std::string_view quantise_method_name(QuantiseMethod method);
// "lll-kbest"; Error (kUsage) with the names if there is none of this name.
QuantiseMethod quantise_method_by_name(std::string_view name);

struct QuantiseOptions {
  QuantiseMethod method = QuantiseMethod::kLllKbest;
  bool augment = true;  // rtn: as for H = I
  size_t block = 64;    // columns per lattice; gptq's result does not depend on it
  size_t width = 64;    // K
};

// Spans are the caller's.
struct QuantiseProblem {
  std::span<const float> weights;   // [rows, columns]
  size_t rows = 0, columns = 0;     // >= 1
  std::span<const double> hessian;  // [columns, columns], symmetric
};

struct Quantised {
  std::vector<int32_t> integers;  // [rows, columns]
  // One per row or one for all, as steps were given: steps times the factor that fits best (least
  // squares over the rows that share it).
  std::vector<float> scales;
  double error = 0;  // the sum above, with `scales`
};

// steps: one > 0 per row, or one for all. Rows are shared among the threads; the same bits for any
// number of them. A row costs O(columns^2), lll-kbest also O(width * block * columns); once for all
// rows a Cholesky factor (some more with the augmentation), and LLL of each block. For K = 64 that
// is some 7 us per weight, for lll-babai 0.5, for gptq 0.2 (columns = block = 64, one thread).
// Error (kData) for weights or H that are not finite, for H that is not positive definite if it is
// not augmented (H must then at least have no negative eigenvalue), and for steps so small that the
// integers would pass 2^24, beyond which float does not hold them.
Quantised quantise(const QuantiseProblem& problem, std::span<const double> steps,
                   const QuantiseOptions& options, ThreadPool& pool);

// weights [rows, columns] = scale * integer, one float multiplication each: the same bits on any
// machine. scales: one per row or one for all.
void dequantise(std::span<const int32_t> integers, std::span<const float> scales,
                std::span<float> weights);

}  // namespace cllm
