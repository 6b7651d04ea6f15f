#include "bench/peer_check.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/error.h"

namespace cllm::bench {
namespace {

bool agree(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max(std::abs(a), std::abs(b));
}

[[noreturn]] void refuse(size_t step, const char* what, double ours, double theirs) {
  throw Error(ErrorKind::kRuntime, fmt::format("step {}", step + 1),
              fmt::format("the {} is {} here and {} in the peer, so they do not do the same work",
                          what, ours, theirs),
              "report this; the speeds cannot be compared");
}

}  // namespace

// A loss is a mean over all tokens, each the outcome of sums of up to K = 3072 products per layer.
// fp32: rounding of one token's loss grows like sqrt(K) eps = 3e-6 and averages out; the norm sums
// squares that each carry it. What comes on top is Adam's first step, which moves every weight by
// the learning rate whatever the size of its gradient, so that gradients near zero, of either sign,
// step apart. 2e-5 leaves room for that (nano differs by 1.3e-7), and three steps move the loss by
// ten percent. The norm feels it more: from the second step on that of gpt2, most of whose 50,304
// embeddings no token of the batch has, differs by 7.5e-4 where the first differs by less than
// 2e-4 and the loss still agrees.
// bf16: both sides round activations and gradients to 2^-9, at different places; the mean of the
// losses keeps less than one such rounding, the norm ten of them for the depth (PyTorch's bf16
// beside our fp32 differs by 5e-5 and 6e-4 on nano).
CurveTolerance curve_tolerance(const std::string& precision) {
  if (precision == "fp32")
    return {.loss = 2e-5, .gradient_norm = 2e-4, .later_gradient_norm = 3e-3};
  CHECK_MSG(precision == "bf16", "precision '{}'", precision);
  return {.loss = 1.0 / 512, .gradient_norm = 10.0 / 512, .later_gradient_norm = 10.0 / 512};
}

void require_same_curve(const Curve& ours, const Curve& theirs, const CurveTolerance& tolerance) {
  if (theirs.losses.size() != ours.losses.size() ||
      theirs.gradient_norms.size() != ours.gradient_norms.size())
    throw Error(
        ErrorKind::kRuntime, "bench peers",
        fmt::format("the peer was asked for {} losses and gradient norms and told {} and {}",
                    ours.losses.size(), theirs.losses.size(), theirs.gradient_norms.size()),
        "report this");
  for (size_t step = 0; step < ours.losses.size(); ++step) {
    if (!agree(ours.losses[step], theirs.losses[step], tolerance.loss))
      refuse(step, "loss", ours.losses[step], theirs.losses[step]);
    if (!agree(ours.gradient_norms[step], theirs.gradient_norms[step],
               step == 0 ? tolerance.gradient_norm : tolerance.later_gradient_norm))
      refuse(step, "gradient norm", ours.gradient_norms[step], theirs.gradient_norms[step]);
  }
}

}  // namespace cllm::bench
