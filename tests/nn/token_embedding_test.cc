#include "nn/token_embedding.h"

#include <gtest/gtest.h>

#include "layer_rig.h"
#include "testing_codes.h"

namespace cllm::nn {
namespace {

using namespace ::cllm::testing;

constexpr int64_t kV = 23, kC = 9, kB = 2, kT = 5;
constexpr EmbeddingKind kKinds[] = {EmbeddingKind::kDense, EmbeddingKind::kFactorised,
                                    EmbeddingKind::kComposite};

EmbeddingOptions options_of(EmbeddingKind kind) {
  EmbeddingOptions options{.kind = kind, .V = kV, .C = kC, .width = 4, .deviation = 0.02};
  if (kind == EmbeddingKind::kComposite) options.codes = random_codes(kV, 7);
  return options;
}

// A position table of its own beside the embedding, as in a model.
struct Problem {
  Problem(const ops::Context& context, EmbeddingKind kind, bool with_positions)
      : rig(context, kB, kT),
        embedding(rig.table(), options_of(kind)),
        tokens(random_tokens(kB * kT, kV, 3)),
        y(unset(kB * kT * kC)),
        dy(random_vector(kB * kT * kC, 4)) {
    if (with_positions)
      positions = rig.table().add("embedding.position", {kT, kC}, Initial::kNormal, 0.02);
    tokens[1] = tokens[6] = tokens[8];  // one that is met three times
    plan = embedding.plan_forward(rig.planner(), context, rig.shape());
    embedding.plan_backward(rig.planner(), rig.shape(), plan);
    rig.place(0);
  }
  void forward_backward() {
    const Run run = rig.run();
    const int64_t offset = positions < 0 ? 0 : rig.table().at(positions).offset;
    embedding.forward(run, rig.scratch(), plan, tokens.data(),
                      positions < 0 ? nullptr : run.weights + offset, y.data());
    embedding.backward(run, rig.scratch(), plan, tokens.data(), dy.data(),
                       positions < 0 ? nullptr : run.gradients + offset);
  }
  ::testing::AssertionResult check() {
    return rig.check({}, y, dy, {}, {}, [this](const auto& weights, const auto&) {
      return reference::embedding(static_cast<size_t>(kT), static_cast<size_t>(kC), tokens,
                                  reference::token_vectors(embedding.options(), weights),
                                  weights.get("embedding.position"));
    });
  }

  LayerRig rig;
  TokenEmbedding embedding;
  std::vector<int32_t> tokens;
  std::vector<float> y, dy;
  int32_t positions = -1;
  EmbeddingPlan plan;
};

TEST(TokenEmbedding, ValuesAndGradientsOfEveryKind) {
  for_each_context([](const ops::Context& context) {
    for (const EmbeddingKind kind : kKinds)
      for (const bool positions : {false, true}) {
        Problem problem(context, kind, positions);
        problem.forward_backward();
        EXPECT_TRUE(problem.check()) << static_cast<int>(kind) << " positions " << positions;
      }
  });
}

TEST(TokenEmbedding, TheCheckRejectsWrongGradients) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const EmbeddingKind kind : kKinds) {
    Problem problem(context, kind, true);
    problem.forward_backward();
    problem.rig.expect_rejects_wrong({&problem.y}, 1e-2f, [&] { return problem.check(); });
  }
}

TEST(TokenEmbedding, DeclaresItsParameters) {
  for (const EmbeddingKind kind : kKinds) {
    ParameterTable table;
    const TokenEmbedding embedding(table, options_of(kind));
    EXPECT_EQ(embedding.table_parameter(), 0);
    EXPECT_EQ(embedding.parameter_count(), table.count());
    EXPECT_EQ(embedding.projection() != nullptr, kind == EmbeddingKind::kFactorised);
    for (const Parameter& parameter : table.all()) {
      EXPECT_TRUE(parameter.name.starts_with("embedding.")) << parameter.name;
      EXPECT_EQ(parameter.initial, Initial::kNormal);
    }
  }
  ParameterTable table;
  const TokenEmbedding factorised(table, options_of(EmbeddingKind::kFactorised));
  EXPECT_EQ(table.at(0).shape, (std::vector<int64_t>{kV, 4}));
  EXPECT_EQ(table.at(1).shape, (std::vector<int64_t>{kC, 4}));
  // A sum of 4 products with this deviation has that of A.
  EXPECT_EQ(table.at(1).deviation, 0.5);
}

}  // namespace
}  // namespace cllm::nn
