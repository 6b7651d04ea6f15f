#include "tensor/arena.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace cllm {
namespace {

TEST(Arena, IsZeroedAlignedAndWritable) {
  for (const int64_t floats : {int64_t{1}, int64_t{1000}, int64_t{3} << 20}) {
    Arena arena(floats, "a test");
    ASSERT_EQ(arena.floats(), floats);
    EXPECT_EQ(arena.bytes(), 4 * floats);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(arena.data()) % 64, 0u);
    EXPECT_TRUE(std::all_of(arena.data(), arena.data() + floats, [](float x) { return x == 0; }));
    arena.data()[floats - 1] = 1;
  }
}

TEST(Arena, MovesItsMemory) {
  Arena a(100, "a test");
  a.data()[7] = 3;
  const float* memory = a.data();
  Arena b(std::move(a));
  EXPECT_EQ(b.data(), memory);
  Arena c;
  EXPECT_EQ(c.data(), nullptr);
  c = std::move(b);
  EXPECT_EQ(c.data()[7], 3);
  EXPECT_EQ(c.floats(), 100);
}

TEST(Arena, EmptyNeedsNoMemory) {
  EXPECT_EQ(Arena(0, "nothing").data(), nullptr);
}

TEST(Arena, AnAbsurdSizeIsAnErrorThatNamesThePurpose) {
  // The second wraps to 64 bytes in a 64-bit size.
  for (const int64_t floats : {int64_t{1} << 50, (int64_t{1} << 62) + 16}) {
    try {
      Arena arena(floats, "the key/value cache");
      FAIL() << "got " << arena.bytes() << " bytes";
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), 5);
      EXPECT_NE(std::string(error.what()).find("the key/value cache"), std::string::npos);
    }
  }
}

}  // namespace
}  // namespace cllm
