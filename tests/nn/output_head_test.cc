#include "nn/output_head.h"

#include <gtest/gtest.h>

#include "layer_rig.h"
#include "testing_codes.h"

namespace cllm::nn {
namespace {

using namespace ::cllm::testing;

constexpr int64_t kV = 23, kC = 9, kB = 2, kT = 5;

// The head of an embedding of this kind, or one of its own.
struct Problem {
  Problem(const ops::Context& context, EmbeddingKind kind, bool tied,
          int64_t planned_rows = kB * kT)
      : rig(context, kB, kT),
        embedding(rig.table(),
                  {.kind = kind,
                   .V = kV,
                   .C = kC,
                   .width = 4,
                   .codes = kind == EmbeddingKind::kComposite ? random_codes(kV, 7) : nullptr,
                   .deviation = 0.02}),
        head(tied ? OutputHead::tied_to(rig.table(), embedding)
                  : OutputHead(rig.table(), kC, kV, 0.02)),
        x(random_vector(kB * kT * kC, 1)),
        logits(unset(kB * kT * kV)),
        dlogits(random_vector(kB * kT * kV, 2)),
        dx(unset(kB * kT * kC)) {
    plan = head.plan(rig.planner(), context, rig.shape(), planned_rows);
    rig.place(1);
  }
  // All rows in slices of `slice`.
  void forward_backward(int64_t slice = kB * kT) {
    const Run run = rig.run();
    for (int64_t first = 0; first < kB * kT; first += slice) {
      const int64_t rows = std::min(slice, kB * kT - first);
      head.forward(run, rig.scratch(), plan, rows, x.data() + first * kC,
                   logits.data() + first * kV);
      head.backward(run, rig.scratch(), plan, rows, x.data() + first * kC,
                    dlogits.data() + first * kV, dx.data() + first * kC);
    }
  }
  ::testing::AssertionResult check() {
    return rig.check(x, logits, dlogits, dx, {}, [this](const auto& weights, const auto& z) {
      auto matrix = weights.get("head.weight");
      if (matrix.empty()) matrix = reference::token_vectors(embedding.options(), weights);
      return reference::linear(static_cast<size_t>(kC), matrix, {}, z);
    });
  }

  LayerRig rig;
  TokenEmbedding embedding;
  OutputHead head;
  std::vector<float> x, logits, dlogits, dx;
  HeadPlan plan;
};

constexpr EmbeddingKind kKinds[] = {EmbeddingKind::kDense, EmbeddingKind::kFactorised,
                                    EmbeddingKind::kComposite};

TEST(OutputHead, ValuesAndGradientsOfEveryKind) {
  for_each_context([](const ops::Context& context) {
    for (const EmbeddingKind kind : kKinds)
      for (const bool tied : {true, false}) {
        Problem problem(context, kind, tied);
        problem.forward_backward();
        EXPECT_TRUE(problem.check()) << static_cast<int>(kind) << " tied " << tied;
        Problem sliced(context, kind, tied, 3);
        sliced.forward_backward(3);
        EXPECT_TRUE(sliced.check()) << static_cast<int>(kind) << " tied " << tied << " in slices";
      }
  });
}

TEST(OutputHead, TheCheckRejectsWrongGradients) {
  ThreadPool pool(1);
  const ops::Context context{pool, kernels::chosen_table()};
  for (const EmbeddingKind kind : kKinds) {
    Problem problem(context, kind, true);
    problem.forward_backward();
    problem.rig.expect_rejects_wrong({&problem.logits, &problem.dx}, 1e-2f,
                                     [&] { return problem.check(); });
  }
}

}  // namespace
}  // namespace cllm::nn
