// The fused pass over heads must be the norm and the rotation one after the other, to the bit: it
// calls the same kernels.
#include "ops/qk_norm.h"

#include <gtest/gtest.h>

#include "ops/norm.h"
#include "ops/rotary.h"
#include "testing_tables.h"

namespace cllm::ops {
namespace {

constexpr int64_t kN = 70, kT = 35, kH = 3, kK = 1, kD = 6, kStride = (kH + 2 * kK) * kD;
constexpr int64_t kHeads = kH + kK, kWidth = kHeads * kD;

struct Problem {
  std::vector<float> x = testing::random_vector(kN * kStride, 1, 1.0);
  std::vector<float> dy = testing::random_vector(kN * kWidth, 2, 1.0);
  std::vector<float> q_gain = testing::random_vector(kD, 3, 1.0);
  std::vector<float> k_gain = testing::random_vector(kD, 4, 1.0);
  std::vector<float> cosine = std::vector<float>(kT * kD / 2), sine = cosine;
  QkNormShape shape{.N = kN, .T = kT, .H = kH, .K = kK, .D = kD, .epsilon = 1e-5f};

  explicit Problem(bool rotary) {
    const std::vector<double> frequencies = {1.0, 0.3, 0.05};
    rotary_tables(kT, frequencies, cosine.data(), sine.data());
    if (!rotary) return;
    shape.cosine = cosine.data();
    shape.sine = sine.data();
  }
};

TEST(QkNorm, ForwardIsNormThenRotation) {
  for (const bool rotary_too : {false, true}) {
    testing::for_each_context([&](const Context& context) {
      const Problem p(rotary_too);
      std::vector<float> y(kN * kWidth), rstd(kN * kHeads), expected(y), one(kN);
      qk_norm_forward(context, p.shape, p.x.data(), kStride, p.q_gain.data(), p.k_gain.data(),
                      y.data(), kWidth, rstd.data());
      for (int64_t head = 0; head < kHeads; ++head)
        rms_norm_forward(context, kN, kD, 1e-5f, p.x.data() + head * kD, kStride,
                         (head < kH ? p.q_gain : p.k_gain).data(), expected.data() + head * kD,
                         kWidth, one.data());
      if (rotary_too)
        rotary(context, kN, kT, kHeads, kD, 0, p.cosine.data(), p.sine.data(), +1, expected.data(),
               kWidth);
      EXPECT_EQ(y, expected);
      for (int64_t n = 0; n < kN; ++n)
        EXPECT_EQ(rstd[static_cast<size_t>(n * kHeads + kHeads - 1)], one[static_cast<size_t>(n)]);
    });
  }
}

TEST(QkNorm, BackwardIsRotationBackThenNorm) {
  testing::for_each_context([&](const Context& context) {
    const Problem p(true);
    std::vector<float> y(kN * kWidth), rstd(kN * kHeads), dx(kN * kStride), expected(dx);
    qk_norm_forward(context, p.shape, p.x.data(), kStride, p.q_gain.data(), p.k_gain.data(),
                    y.data(), kWidth, rstd.data());
    std::vector<float> dy = p.dy, dq(kD, 1.0f), dk(kD, 2.0f), gains(kD, 0.0f), one(kN);
    std::vector<float> scratch(static_cast<size_t>(qk_norm_scratch(kN, kD)));
    qk_norm_backward(context, p.shape, p.x.data(), kStride, p.q_gain.data(), p.k_gain.data(),
                     rstd.data(), dy.data(), kWidth, dx.data(), kStride, dq.data(), dk.data(),
                     scratch.data());

    std::vector<float> turned = p.dy;
    rotary(context, kN, kT, kHeads, kD, 0, p.cosine.data(), p.sine.data(), -1, turned.data(),
           kWidth);
    EXPECT_EQ(dy, turned);
    std::vector<float> norm_scratch_space(norm_scratch(kN, kD)), dq_expected(kD, 1.0f),
        dk_expected(kD, 2.0f);
    for (int64_t head = 0; head < kHeads; ++head) {
      for (int64_t n = 0; n < kN; ++n)
        one[static_cast<size_t>(n)] = rstd[static_cast<size_t>(n * kHeads + head)];
      rms_norm_backward(context, kN, kD, p.x.data() + head * kD, kStride,
                        (head < kH ? p.q_gain : p.k_gain).data(), one.data(),
                        turned.data() + head * kD, kWidth, expected.data() + head * kD, kStride,
                        false, (head < kH ? dq_expected : dk_expected).data(),
                        norm_scratch_space.data());
    }
    EXPECT_EQ(dx, expected);
    // The sums over rows and heads are formed in another order: N * H terms of size about 1.
    EXPECT_TRUE(testing::all_close(dq, testing::widen<double>(dq_expected), 1e-4, 0));
    EXPECT_TRUE(testing::all_close(dk, testing::widen<double>(dk_expected), 1e-4, 0));
  });
}

}  // namespace
}  // namespace cllm::ops
