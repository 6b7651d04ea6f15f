// All combinations of the decoder's options against the scalar reference.
#include <gtest/gtest.h>

#include "decoder_problem.h"

namespace cllm {
namespace {

TEST(SlowDecoderGradient, AlongRandomDirectionsForEveryCombinationOfOptions) {
  testing::check_combinations(1);
}

}  // namespace
}  // namespace cllm
