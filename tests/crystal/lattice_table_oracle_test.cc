// The embedding's nearest points (ops/lattice_table.h) beside those of libprimemath's decoder,
// which reads E8 from its classes.
#include <gtest/gtest.h>

#include <cmath>

#include "lattice/decode.h"
#include "ops/lattice_table.h"
#include "testing_tables.h"

namespace cllm {
namespace {

TEST(LatticeTable, AgreesWithTheDecoderOfTheClassicalLattice) {
  constexpr float kStep = 0x1p-6F;
  constexpr int64_t kRows = 40, kC = 64;
  constexpr size_t kBlocks = kRows * kC / 8;
  const std::vector<float> w = testing::random_vector(kRows * kC, 3, 2 * kStep);
  std::vector<double> targets(w.size());
  for (size_t block = 0; block < kBlocks; ++block)
    for (size_t i = 0; i < 8; ++i)
      targets[i * kBlocks + block] = 2 * static_cast<double>(w[block * 8 + i]) / kStep;
  ASSERT_EQ(lattice::coordinate_scale(lattice::Classical::kE8, 0), 0.5);
  std::vector<int64_t> points(w.size());
  lattice::decode(lattice::Classical::kE8, targets, kBlocks, points);
  testing::for_each_context([&](const ops::Context& context) {
    std::vector<int8_t> doubled(w.size());
    ops::lattice_integers(context, kRows, kC, kStep, w.data(), doubled.data());
    for (size_t block = 0; block < kBlocks; ++block)
      for (size_t i = 0; i < 8; ++i)
        ASSERT_EQ(doubled[block * 8 + i], points[i * kBlocks + block]) << block << ", " << i;
  });
}

}  // namespace
}  // namespace cllm
