#include "kernels/stream.h"

#include <gtest/gtest.h>

#include <array>

#include "kernels/table.h"

namespace cllm::kernels {
namespace {

constexpr int64_t kCount = 192;

TEST(StreamLoops, DoWhatTheyAreTimedFor) {
  alignas(64) std::array<float, kCount> x, y, z;
  for (const Table* table : supported_tables()) {
    const StreamLoops& loops = stream_loops(table->name);
    for (size_t i = 0; i < kCount; ++i) {
      x[i] = static_cast<float>(i);
      y[i] = 2;
      z[i] = 0;
    }
    loops.copy(kCount, x.data(), z.data());
    EXPECT_EQ(z, x) << table->name;
    loops.triad(kCount, x.data(), y.data(), 0.5f, z.data());
    for (size_t i = 0; i < kCount; ++i)
      EXPECT_EQ(z[i], static_cast<float>(i) + 1) << table->name;
  }
}

TEST(StreamLoops, ReadingDependsOnWhatIsRead) {
  alignas(64) std::array<float, kCount> x{};
  for (const Table* table : supported_tables()) {
    const StreamLoops& loops = stream_loops(table->name);
    EXPECT_EQ(loops.read(kCount, x.data()), 0) << table->name;
    x[0] = 3;
    EXPECT_EQ(loops.read(kCount, x.data()), 3) << table->name;
    x[0] = 0;
  }
}

}  // namespace
}  // namespace cllm::kernels
