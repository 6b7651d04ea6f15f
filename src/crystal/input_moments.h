// The second moments H = X^T X / N of what the linear layers of a model multiply, taken over
// calibration text: how much an error in each direction of a layer's inputs costs at its outputs.
// Quantisers minimise their error in this measure (quantise.h).
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "model/transformer.h"
#include "ops/context.h"
#include "tensor/arena.h"

namespace cllm {

// Not thread-safe; context must outlive it. Memory: 8 in^2 bytes per linear layer that anything was
// added to, 4 of the widest, and the scratch of a product.
class InputMoments {
 public:
  static int64_t planned_bytes(const Transformer& model, const ops::Context& context);
  InputMoments(const Transformer& model, const ops::Context& context);

  // Adds the rows x [N, in], fp32, that the linear with this weight parameter multiplies; see
  // nn::InputObserver. Sums of one call are fp32, those of all calls double. The same bits for any
  // number of threads. N in^2 multiplications.
  void add(int32_t parameter, int64_t N, int64_t in, ops::ConstValues x);

  // H [in, in] of a weight parameter, symmetric. Empty for a parameter that no linear multiplies,
  // and where the inputs were all zero. Error (kData) if an input was not finite.
  std::vector<double> hessian(int32_t parameter) const;

 private:
  struct Sum {
    int64_t in = 0, rows = 0;
    std::vector<double> products;  // [in, in]
  };

  const ops::Context& context_;
  std::map<int32_t, Sum> sums_;  // by weight parameter
  Arena products_, scratch_;     // of one call
};

}  // namespace cllm
