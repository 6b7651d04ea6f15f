#include "base/memory.h"

#include <gtest/gtest.h>

#include <limits>

#include "base/error.h"

namespace cllm {
namespace {

TEST(Memory, SomeIsAvailableAndItIsKnown) {
  EXPECT_GT(available_memory(), 1 << 20);
  EXPECT_LT(available_memory(), std::numeric_limits<int64_t>::max());
}

TEST(Memory, WhatIsTooMuchIsRefusedWithBothFiguresAndARemedy) {
  EXPECT_NO_THROW(require_available("", "nothing", 0, "do less"));
  try {
    require_available("model.prior_order", "counting", int64_t{1} << 59, "give less text");
    FAIL() << "so much was there";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMemory);
    const std::string what = error.what();
    EXPECT_TRUE(what.starts_with("model.prior_order: counting needs 512 PiB and ")) << what;
    EXPECT_TRUE(what.ends_with(" are available; free memory, or give less text")) << what;
  }
}

}  // namespace
}  // namespace cllm
