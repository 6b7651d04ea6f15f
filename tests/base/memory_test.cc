#include "base/memory.h"

#include <gtest/gtest.h>

#include <limits>

namespace cllm {
namespace {

TEST(Memory, SomeIsAvailableAndItIsKnown) {
  EXPECT_GT(available_memory(), 1 << 20);
  EXPECT_LT(available_memory(), std::numeric_limits<int64_t>::max());
}

}  // namespace
}  // namespace cllm
