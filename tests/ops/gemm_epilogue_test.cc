// Epilogues that replace an operation of their own: the same bits as the plain product in fp32,
// that operation in fp32, and one rounding to the type of C; and the one that has no operation.
#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/elementwise.h"
#include "ops/gemm.h"
#include "ops/gemm_problem.h"
#include "testing_bounds.h"
#include "testing_storage.h"
#include "testing_tables.h"

namespace cllm {
namespace {

using kernels::Storage;
using ops::Activation;
using ops::Compute;
using ops::Gemm;

constexpr int64_t kAlignment = 16;
float* aligned(std::vector<float>& x) {
  const size_t misfit = reinterpret_cast<uintptr_t>(x.data()) / sizeof(float) % kAlignment;
  return x.data() + (kAlignment - misfit) % kAlignment;
}

// x [m, k] of S times w [n, k] in fp32, packed or not.
template <class S>
class Product {
 public:
  Product(const ops::Context& context, int64_t m, int64_t n, int64_t k, bool packed)
      : context_(context),
        scratch_(context),
        x_(testing::stored<S>(testing::random_vector(static_cast<size_t>(m * k), 1))),
        w_(testing::random_vector(static_cast<size_t>(n * k), 2, 0.3)),
        bias_(testing::random_vector(static_cast<size_t>(n), 3)),
        residual_(testing::stored<S>(testing::random_vector(static_cast<size_t>(m * n), 4))) {
    call_.m = m, call_.n = n, call_.k = k;
    call_.a = x_.data(), call_.lda = k;
    call_.b = w_.data(), call_.ldb = k, call_.b_transposed = true;
    if (!packed) return;
    const Compute compute = ops::compute_for(context, kernels::kStorageOf<S>);
    space_.resize(static_cast<size_t>(ops::packed_floats(context, compute, k, n) + kAlignment));
    matrix_ = ops::pack(context, compute, k, n, w_.data(), k, true, aligned(space_));
    call_.packed = &matrix_;
  }
  Gemm call() const { return call_; }
  void run(const Gemm& call) { scratch_.run(context_, call); }
  const std::vector<float>& bias() const { return bias_; }
  const std::vector<S>& residual() const { return residual_; }

  // x w + bias in fp32.
  std::vector<float> plain(bool with_bias) {
    std::vector<float> y(static_cast<size_t>(call_.m * call_.n));
    Gemm call = call_;
    call.c = y.data(), call.ldc = call.n;
    if (with_bias) call.epilogue.bias = bias_.data();
    run(call);
    return y;
  }

 private:
  ops::Context context_;
  testing::Scratch scratch_;
  std::vector<float> space_;
  std::vector<S> x_;
  std::vector<float> w_, bias_;
  std::vector<S> residual_;
  ops::PackedMatrix matrix_;
  Gemm call_;
};

template <class S>
class GemmEpilogue : public ::testing::Test {};
TYPED_TEST_SUITE(GemmEpilogue, testing::Storages);

constexpr ops::DropoutKey kKey{7, 11, 3};

// y = dropout(y) + the first elements of `residual`, in fp32.
template <class S>
void drop_and_add(const ops::Context& context, const std::vector<S>& residual,
                  std::vector<float>& y) {
  const auto count = static_cast<int64_t>(y.size());
  const std::vector<float> other = testing::floats_of(residual);
  ops::dropout(context, count, 0.3f, kKey, y.data(), y.data());
  ops::add(context, count, y.data(), other.data(), y.data());
}

// c is `exact` rounded once to S.
template <class S>
::testing::AssertionResult same_after_rounding(const std::vector<S>& c,
                                               const std::vector<float>& exact) {
  return testing::same_bits(testing::floats_of(c), testing::floats_of(testing::stored<S>(exact)));
}

constexpr int64_t kShapes[][3] = {{19, 7, 33}, {30, 100, 40}, {97, 64, 801}, {17, 130, 1}};

TYPED_TEST(GemmEpilogue, DropsElementsAsTheOperationDoes) {
  using S = TypeParam;
  ThreadPool pool(2);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    for (const auto& shape : kShapes)
      for (const bool packed : {false, true}) {
        Product<S> product(context, shape[0], shape[1], shape[2], packed);
        Gemm call = product.call();
        std::vector<float> y = product.plain(true);
        ops::activate(context, static_cast<int64_t>(y.size()), Activation::kRelu2, y.data(),
                      y.data());
        drop_and_add(context, product.residual(), y);
        std::vector<S> c(y.size());
        call.c = c.data(), call.ldc = call.n;
        call.epilogue.bias = product.bias().data();
        call.epilogue.activation = Activation::kRelu2;
        call.epilogue.dropout = 0.3f, call.epilogue.dropout_key = kKey;
        call.epilogue.residual = product.residual().data();
        product.run(call);
        ASSERT_TRUE(same_after_rounding(c, y));
      }
  });
}

TYPED_TEST(GemmEpilogue, GatesAsTheOperationDoes) {
  using S = TypeParam;
  ThreadPool pool(2);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    for (const auto& shape : kShapes)
      for (const bool packed : {false, true}) {
        const int64_t F = shape[1];
        Product<S> product(context, shape[0], 2 * F, shape[2], packed);
        Gemm call = product.call();
        const std::vector<float> gate_up = product.plain(true);
        std::vector<float> y(static_cast<size_t>(call.m * F));
        std::vector<S> residual(product.residual().begin(),
                                product.residual().begin() + static_cast<ptrdiff_t>(y.size()));
        ops::swiglu_forward(context, call.m, F, gate_up.data(), y.data());
        drop_and_add(context, residual, y);
        std::vector<S> c(y.size()), kept(gate_up.size());
        call.c = c.data(), call.ldc = F;
        call.epilogue.bias = product.bias().data();
        call.epilogue.activation = Activation::kSwiglu;
        call.epilogue.auxiliary = kept.data();
        call.epilogue.dropout = 0.3f, call.epilogue.dropout_key = kKey;
        call.epilogue.residual = residual.data();
        product.run(call);
        ASSERT_TRUE(same_after_rounding(c, y));
        ASSERT_TRUE(same_after_rounding(kept, gate_up));
      }
  });
}

// [gate F | up F] of each row to their gradients, by silu'(g) = s (1 + g (1 - s)) in double.
std::vector<double> gate_gradients(int64_t F, const std::vector<float>& gate_up,
                                   const std::vector<float>& dy) {
  std::vector<double> d(gate_up.size());
  const auto f = static_cast<size_t>(F);
  for (size_t i = 0; i < dy.size(); ++i) {
    const size_t gate = i / f * 2 * f + i % f;
    const double g = gate_up[gate], s = 1 / (1 + std::exp(-g));
    d[gate] = dy[i] * static_cast<double>(gate_up[gate + f]) * s * (1 + g * (1 - s));
    d[gate + f] = dy[i] * g * s;
  }
  return d;
}

// 12 units of dy s (1 + |g|) |u| from the errors of s, as for the other functions of the product.
TYPED_TEST(GemmEpilogue, DifferentiatesTheGate) {
  using S = TypeParam;
  ThreadPool pool(2);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    for (const auto& shape : kShapes)
      for (const bool packed : {false, true}) {
        const int64_t F = shape[1];
        Product<S> product(context, shape[0], F, shape[2], packed);
        Gemm call = product.call();
        const auto gate_up =
            testing::stored<S>(testing::random_vector(static_cast<size_t>(2 * call.m * F), 5));
        const std::vector<float> dy = product.plain(false), wide = testing::floats_of(gate_up);
        const std::vector<double> expected = gate_gradients(F, wide, dy);
        const double largest = testing::largest(wide) + 1;
        const double bound = 12 * testing::kUnit * testing::largest(dy) * largest * largest;
        std::vector<S> c = gate_up;  // in place
        call.c = c.data(), call.ldc = 2 * F;
        call.epilogue.activation = Activation::kSwigluBackward;
        call.epilogue.auxiliary = c.data();
        product.run(call);
        ASSERT_TRUE(testing::stored_close<S>(testing::floats_of(c), expected, bound, 0));
        std::vector<float> wrong = testing::floats_of(c);
        wrong[0] += 1;
        ASSERT_FALSE(testing::stored_close<S>(wrong, expected, bound, 0));
      }
  });
}

}  // namespace
}  // namespace cllm
