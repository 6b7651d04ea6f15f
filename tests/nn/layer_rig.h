// Runs one layer by itself: its parameters, its plan, its arenas, and the comparison of its values
// and gradients with the scalar reference through the complex step.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "nn/run.h"
#include "ops/gemm.h"
#include "ops/rotary.h"
#include "reference/transformer.h"
#include "tensor/arena.h"
#include "testing_tables.h"

namespace cllm::testing {

// Rounding of a layer of these sizes (sums of up to 100 terms, 3 layers deep) is below 1e-6 of the
// largest value; the project promises 2e-5.
inline constexpr double kLayerTolerance = 2e-5;

// Close to the truth, in terms of its largest element.
inline ::testing::AssertionResult near_truth(const std::vector<float>& actual,
                                             const std::vector<double>& truth) {
  double size = 0;
  for (const double value : truth)
    size = std::max(size, std::abs(value));
  return all_close(actual, truth, kLayerTolerance * size, 0);
}

// Everything is planned in one event, so no two buffers share memory.
class LayerRig {
 public:
  LayerRig(const ops::Context& context, int64_t B, int64_t T)
      : context_(context), shape_{.B = B, .T = T, .S = T, .training = true} {}

  ParameterTable& table() { return table_; }
  Planner& planner() { return planner_; }
  const nn::PlanShape& shape() const { return shape_; }
  const nn::Scratch& scratch() const { return scratch_; }
  int64_t rows() const { return shape_.rows(); }

  // Fixes the plan; weights and gradients become random numbers.
  void place(int64_t reduction_floats, int64_t attention_floats = 0) {
    scratch_.gemm =
        planner_.declare_permanent("gemm", static_cast<int64_t>(ops::gemm_scratch(context_)));
    scratch_.reduction = planner_.declare_permanent("reduction", reduction_floats);
    scratch_.attention = planner_.declare_permanent("attention", attention_floats);
    arena_ = Arena(planner_.place(), "the test");
    const auto floats = static_cast<size_t>(table_.arena_floats());
    weights_ = random_vector(floats, 11, 0.5);
    gradients_ = before_ = random_vector(floats, 12, 0.1);
  }

  nn::Run run() {
    return {.context = context_,
            .plan = planner_,
            .arena = arena_.data(),
            .weights = weights_.data(),
            .gradients = gradients_.data(),
            .B = shape_.B,
            .T = shape_.T,
            .training = true,
            .seed = 9,
            .micro_step = 4};
  }
  std::vector<float>& gradients() { return gradients_; }

  // truth(weights, x) is the layer's output for complex numbers; y what the layer gave for x, dx
  // and gradients() what its backward gave for the cotangent dy. dx_before is what dx was added to;
  // empty if it is stored.
  template <class Truth>
  ::testing::AssertionResult check(const std::vector<float>& x, const std::vector<float>& y,
                                   const std::vector<float>& dy, const std::vector<float>& dx,
                                   const std::vector<float>& dx_before, Truth truth) const {
    const auto output = [&](const std::vector<Complex>& z) {
      const auto middle = z.begin() + static_cast<ptrdiff_t>(x.size());
      const std::vector<Complex> arena(middle, z.end());
      return truth(reference::Weights<Complex>{table_, arena},
                   std::vector<Complex>(z.begin(), middle));
    };
    std::vector<float> variables = x;
    variables.insert(variables.end(), weights_.begin(), weights_.end());
    std::vector<double> value;
    for (const Complex& element : output(widen<Complex>(variables)))
      value.push_back(element.real());
    if (auto close = near_truth(y, value); !close) return close << " (y)";
    std::vector<double> gradient = complex_step_gradient(
        variables, [&](const auto& z) { return inner_product(dy, output(z)); });
    std::vector<double> dx_truth(gradient.begin(),
                                 gradient.begin() + static_cast<ptrdiff_t>(x.size()));
    for (size_t i = 0; i < dx_before.size(); ++i)
      dx_truth[i] += static_cast<double>(dx_before[i]);
    if (auto close = near_truth(dx, dx_truth); !close) return close << " (dx)";
    return check_parameters({gradient.begin() + static_cast<ptrdiff_t>(x.size()), gradient.end()});
  }

  // check() must hold, and must not when a parameter's gradient, or an element of `others`, is off
  // by `error` or no number.
  template <class Check>
  void expect_rejects_wrong(const std::vector<std::vector<float>*>& others, float error,
                            Check check) {
    ASSERT_TRUE(check());
    std::vector<float*> elements;
    for (const Parameter& parameter : table_.all())
      elements.push_back(&gradients_[static_cast<size_t>(parameter.offset) + 3]);
    for (std::vector<float>* other : others)
      elements.push_back(&(*other)[5]);
    for (size_t i = 0; i < elements.size(); ++i)
      for (const float wrong : {*elements[i] + error, NAN}) {
        const float right = std::exchange(*elements[i], wrong);
        EXPECT_FALSE(check()) << "element " << i << ": " << wrong << " for " << right;
        *elements[i] = right;
      }
  }

 private:
  ::testing::AssertionResult check_parameters(const std::vector<double>& truth) const {
    for (const Parameter& parameter : table_.all()) {
      const auto first = static_cast<size_t>(parameter.offset);
      std::vector<float> got;
      std::vector<double> expected;
      for (size_t i = first; i < first + static_cast<size_t>(parameter.count); ++i) {
        got.push_back(gradients_[i]);
        expected.push_back(truth[i] + static_cast<double>(before_[i]));
      }
      if (auto close = near_truth(got, expected); !close)
        return close << " (" << parameter.name << ")";
    }
    return ::testing::AssertionSuccess();
  }

  ops::Context context_;
  nn::PlanShape shape_;
  ParameterTable table_;
  Planner planner_;
  nn::Scratch scratch_;
  Arena arena_;
  std::vector<float> weights_, gradients_, before_;
};

// A buffer that a layer must overwrite.
inline std::vector<float> unset(int64_t count) {
  return std::vector<float>(static_cast<size_t>(count), NAN);
}

inline std::vector<double> frequencies_of(int64_t D) {
  std::vector<double> frequencies;
  for (int64_t i = 0; i < D / 2; ++i)
    frequencies.push_back(std::pow(100.0, -2.0 * static_cast<double>(i) / static_cast<double>(D)));
  return frequencies;
}

// Rotary tables that live as long as the test.
struct RotaryTables {
  RotaryTables(int64_t T, int64_t D) : cosine(static_cast<size_t>(T * D / 2)), sine(cosine.size()) {
    ops::rotary_tables(T, frequencies_of(D), cosine.data(), sine.data());
  }
  std::vector<float> cosine, sine;
};

}  // namespace cllm::testing
