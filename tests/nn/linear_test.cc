#include "nn/linear.h"

#include <gtest/gtest.h>

#include "layer_rig.h"

namespace cllm::nn {
namespace {

using namespace ::cllm::testing;

constexpr int64_t kIn = 9, kOut = 7;

struct Outcome {
  std::vector<float> x, y, dy, dx;
};

Outcome run_linear(LayerRig& rig, const Linear& linear) {
  Outcome o{random_vector(static_cast<size_t>(rig.rows() * linear.in()), 1),
            unset(rig.rows() * linear.out()),
            random_vector(static_cast<size_t>(rig.rows() * linear.out()), 2),
            unset(rig.rows() * linear.in())};
  const nn::Run run = rig.run();
  linear.forward(run, rig.scratch(), rig.rows(), o.x.data(), o.y.data());
  linear.backward(run, rig.scratch(), rig.rows(), o.x.data(), o.dy.data(), o.dx.data());
  return o;
}

const auto kTruth = [](const auto& weights, const auto& x) {
  return reference::linear(weights, "l", kIn, x);
};

TEST(Linear, ValuesAndGradients) {
  for_each_context([](const ops::Context& context) {
    for (const bool bias : {false, true}) {
      LayerRig rig(context, 2, 5);
      const Linear linear(rig.table(), "l", kIn, kOut, bias, 0.02);
      rig.place(linear.reduction_floats(rig.rows()));
      const Outcome o = run_linear(rig, linear);
      EXPECT_TRUE(rig.check(o.x, o.y, o.dy, o.dx, {}, kTruth)) << "bias " << bias;
    }
  });
}

TEST(Linear, TheCheckRejectsWrongGradients) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  LayerRig rig(context, 2, 5);
  const Linear linear(rig.table(), "l", kIn, kOut, true, 0.02);
  rig.place(linear.reduction_floats(rig.rows()));
  Outcome o = run_linear(rig, linear);
  rig.expect_rejects_wrong({&o.dx, &o.y}, 1e-3f,
                           [&] { return rig.check(o.x, o.y, o.dy, o.dx, {}, kTruth); });
}

TEST(Linear, WithoutDxOnlyParametersGetGradients) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  LayerRig rig(context, 2, 5);
  const Linear linear(rig.table(), "l", kIn, kOut, true, 0.02);
  rig.place(linear.reduction_floats(rig.rows()));
  Outcome o = run_linear(rig, linear);
  const std::vector<float> once = rig.gradients();
  LayerRig other(context, 2, 5);
  const Linear same(other.table(), "l", kIn, kOut, true, 0.02);
  other.place(same.reduction_floats(other.rows()));
  same.backward(other.run(), other.scratch(), other.rows(), o.x.data(), o.dy.data(), nullptr);
  EXPECT_TRUE(same_bits(other.gradients(), once));
}

TEST(Linear, DeclaresItsParameters) {
  ParameterTable table;
  Linear(table, "a", kIn, kOut, true, 0.02);
  Linear(table, "b", kIn, kOut, false, 0);
  ASSERT_EQ(table.all().size(), 3u);
  EXPECT_EQ(table.at(0).name, "a.weight");
  EXPECT_EQ(table.at(0).shape, (std::vector<int64_t>{kOut, kIn}));
  EXPECT_EQ(table.at(0).initial, Initial::kNormal);
  EXPECT_EQ(table.at(1).name, "a.bias");
  EXPECT_EQ(table.at(1).initial, Initial::kZero);
  EXPECT_EQ(table.at(2).initial, Initial::kZero) << "deviation 0 starts at zero";
}

// The transpose of a linear: its weight's gradient is that of x W.
TEST(Linear, TheOtherWay) {
  for_each_context([](const ops::Context& context) {
    LayerRig rig(context, 2, 5);
    const Linear linear(rig.table(), "l", kIn, kOut, false, 0.02);
    rig.place(linear.reduction_floats(rig.rows()));
    Outcome o{random_vector(static_cast<size_t>(rig.rows() * kOut), 1), unset(rig.rows() * kIn),
              random_vector(static_cast<size_t>(rig.rows() * kIn), 2), unset(rig.rows() * kOut)};
    const nn::Run run = rig.run();
    linear.forward_transposed(run, rig.scratch(), rig.rows(), o.x.data(), o.y.data());
    linear.backward_transposed(run, rig.scratch(), rig.rows(), o.x.data(), o.dy.data(),
                               o.dx.data());
    const auto truth = [](const auto& weights, const auto& x) {
      const auto w = weights.get("l.weight");
      auto turned = w;
      for (size_t out = 0; out < kOut; ++out)
        for (size_t in = 0; in < kIn; ++in)
          turned[in * kOut + out] = w[out * kIn + in];
      return reference::linear(static_cast<size_t>(kOut), turned, {}, x);
    };
    EXPECT_TRUE(rig.check(o.x, o.y, o.dy, o.dx, {}, truth));
  });
}

TEST(Linear, TiedToAnotherParameter) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  LayerRig rig(context, 1, 4);
  rig.table().add("first", {3}, Initial::kOne);
  const int32_t weight = rig.table().add("l.weight", {kOut, kIn}, Initial::kNormal, 1);
  const Linear linear = Linear::tied_to(rig.table(), weight);
  EXPECT_EQ(rig.table().all().size(), 2u);
  rig.place(linear.reduction_floats(rig.rows()));
  const Outcome o = run_linear(rig, linear);
  EXPECT_TRUE(rig.check(o.x, o.y, o.dy, o.dx, {}, kTruth));
}

}  // namespace
}  // namespace cllm::nn
