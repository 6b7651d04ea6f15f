#include "optim/gradient_sum.h"

#include <gtest/gtest.h>

#include "testing_tables.h"

namespace cllm::optim {
namespace {

using namespace cllm::testing;

constexpr size_t kCount = 20011;  // chunks of which the last is short

// The sum of `count` parts from the first to the last.
std::vector<float> sum(size_t parts, const ops::Context& context) {
  std::vector<std::vector<float>> memory;
  std::vector<float*> pointers;
  for (size_t i = 0; i < parts; ++i)
    memory.push_back(random_vector(kCount, i + 1));
  for (std::vector<float>& part : memory)
    pointers.push_back(part.data());
  sum_in_tree(context, kCount, pointers);
  return memory[0];
}

TEST(GradientSum, IsABinaryTreeOverTheOrderOfTheParts) {
  const auto part = [](uint64_t i, size_t at) { return random_vector(at + 1, i)[at]; };
  expect_same_bits_for_threads([&](const ops::Context& context) {
    const std::vector<float> five = sum(5, context), six = sum(6, context), seven = sum(7, context);
    for (const size_t at : {size_t{0}, size_t{9000}, kCount - 1}) {
      const float a = part(1, at), b = part(2, at), c = part(3, at), d = part(4, at),
                  e = part(5, at), f = part(6, at), g = part(7, at);
      EXPECT_EQ(five[at], ((a + b) + (c + d)) + e);
      EXPECT_EQ(six[at], ((a + b) + (c + d)) + (e + f));
      EXPECT_EQ(seven[at], ((a + b) + (c + d)) + ((e + f) + g));
    }
    return seven;
  });
}

TEST(GradientSum, OnePartIsItsSum) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  EXPECT_EQ(sum(1, context), random_vector(kCount, 1));
}

}  // namespace
}  // namespace cllm::optim
