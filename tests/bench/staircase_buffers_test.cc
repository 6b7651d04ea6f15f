#include "bench/staircase_buffers.h"

#include <gtest/gtest.h>

#include <cstdint>

namespace cllm::bench {
namespace {

TEST(StaircaseBuffers, ReuseHandsOutTheSameBuffersInOrder) {
  Buffers buffers(true);
  float* first = buffers.take(100);
  float* second = buffers.take(7);
  EXPECT_NE(first, second);
  buffers.release();
  EXPECT_EQ(buffers.take(100), first);
  EXPECT_EQ(buffers.take(7), second);
}

TEST(StaircaseBuffers, AreAlignedAndReadableForAVectorBeyond) {
  for (const bool reuse : {false, true}) {
    Buffers buffers(reuse);
    for (const int64_t floats : {1, 15, 16, 17}) {
      float* data = buffers.take(floats);
      EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 64, 0u);
      for (int64_t i = 0; i < floats + 16; ++i)
        data[i] = 1;
    }
    buffers.release();
  }
}

}  // namespace
}  // namespace cllm::bench
