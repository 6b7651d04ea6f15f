#include "bench/gemm_shapes.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace cllm::bench {
namespace {

TEST(GemmShapes, AModelHasThreeProductsPerLinear) {
  ModelConfig config = model_preset("baby");
  config.vocabulary_size = 65;
  std::set<std::string> names;
  for (const GemmShape& shape : model_shapes(config, 2048, 1024))
    EXPECT_TRUE(names.insert(shape.name()).second) << shape.name();
  for (const char* name : {"fwd 2048x1152x384", "dX 2048x384x1152", "dW 1152x384x2048",
                           "fwd 2048x1536x384", "dX 2048x384x1536", "dW 384x1536x2048",
                           "fwd 1024x65x384", "dX 1024x384x65", "dW 65x384x1024"})
    EXPECT_EQ(names.count(name), 1u) << name;
  EXPECT_EQ(names.size(), 15u);
}

TEST(GemmShapes, CountMultiplicationsAndAdditions) {
  const GemmShape shape{Product::kForward, 2, 3, 5};
  EXPECT_EQ(shape.flops(), 60);
  EXPECT_EQ(reference_shapes().size(), 18u);
}

}  // namespace
}  // namespace cllm::bench
