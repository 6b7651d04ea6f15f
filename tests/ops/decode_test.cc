#include "ops/decode.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attention_problem.h"
#include "kernels/stored_weights.h"
#include "reference/gemm.h"

namespace cllm::ops {
namespace {

using testing::expect_same_bits_for_threads;
using testing::for_each_table;
using testing::kWeightTypes;
using testing::same_bits;
using testing::StoredWeights;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// A matrix of generation that owns its memory.
struct Stored {
  Stored(const Context& context, WeightType type, int64_t out, int64_t in,
         const std::vector<float>& w)
      : data(static_cast<size_t>(out * in * kernels::weight_bytes(type))),
        scale(static_cast<size_t>(out), kNan),
        matrix(store_matrix(context, type, out, in, w.data(), data.data(), scale.data())) {}
  std::vector<float> expanded(const Context& context) const {
    std::vector<float> w(static_cast<size_t>(matrix.out * matrix.in));
    expand(context, matrix, w.data());
    return w;
  }
  std::vector<unsigned char> data;
  std::vector<float> scale;
  DecodeMatrix matrix;
};

DecodeMatrix matrix_of(const StoredWeights& weights) {
  return {weights.type(), weights.data(), weights.scale(), weights.out(), weights.in()};
}

TEST(StoreMatrix, RoundsToNearest) {
  constexpr int64_t kOut = 37, kIn = 21;
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(2);
    const Context context{pool, table};
    const std::vector<float> w = random_vector(kOut * kIn, 3);
    EXPECT_TRUE(same_bits(Stored(context, WeightType::kFp32, kOut, kIn, w).expanded(context), w));
    std::vector<float> halves;
    for (const float x : w)
      halves.push_back(static_cast<float>(testing::nearest<kernels::Bf16>(x)));
    EXPECT_TRUE(
        same_bits(Stored(context, WeightType::kBf16, kOut, kIn, w).expanded(context), halves));
    const Stored int8(context, WeightType::kInt8, kOut, kIn, w);
    const auto* integers = static_cast<const int8_t*>(int8.matrix.data);
    for (size_t o = 0; o < kOut; ++o) {
      double most = 0;
      int largest = 0;
      const double scale = int8.scale[o];
      for (size_t i = o * kIn; i < (o + 1) * kIn; ++i) {
        most = std::max(most, std::abs(static_cast<double>(w[i])));
        largest = std::max(largest, std::abs(int{integers[i]}));
        // Half a step, and the rounding of the quotient, which is at most 127.
        EXPECT_LE(std::abs(scale * integers[i] - static_cast<double>(w[i])),
                  scale * (0.5 + 127 * kUnit));
      }
      EXPECT_EQ(largest, 127);
      EXPECT_NEAR(scale, most / 127, kUnit * scale);
    }
  });
}

TEST(StoreMatrix, TiesOfInt8GoToTheEvenStep) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  const Stored stored(context, WeightType::kInt8, 1, 6, {127, 0.5f, 1.5f, -2.5f, -126.5f, 3});
  EXPECT_TRUE(same_bits(stored.expanded(context), {127, 0, 2, -2, -126, 3}));
}

TEST(StoreMatrix, RowsOfZerosAreZero) {
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(1);
    const Context context{pool, table};
    // The largest of the second row is below 127 steps of the least float.
    const float least = std::numeric_limits<float>::denorm_min();
    const std::vector<float> w = {0, -0.0f, 0, least, 0, -least};
    for (const WeightType type : kWeightTypes)
      for (const float x : Stored(context, type, 2, 3, w).expanded(context))
        EXPECT_LE(std::abs(x), least);
  });
}

// What a row of weights has become, says every product with it.
TEST(StoreMatrix, KeepsNotANumberVisible) {
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(1);
    const Context context{pool, table};
    for (const WeightType type : kWeightTypes)
      for (const float bad : {kNan, kInfinity, -kInfinity}) {
        const Stored stored(context, type, 3, 4, {1, 2, 3, 4, 1, bad, 3, 4, 5, 6, 7, 8});
        const std::vector<float> x = {1, 1, 1, 1};
        std::vector<float> y(3);
        decode(context, stored.matrix, 1, x.data(), y.data(), {});
        EXPECT_TRUE(std::isfinite(y[0]));
        EXPECT_FALSE(std::isfinite(y[1]));
        EXPECT_TRUE(std::isfinite(y[2]));
        EXPECT_EQ(std::isfinite(stored.expanded(context)[5]), false);
      }
  });
}

// x W^T with everything that an epilogue may be given.
class Product {
 public:
  Product(WeightType type, int64_t N, int64_t out, int64_t in)
      : N_(N),
        weights_(type, out, in, 5),
        x_(random_vector(static_cast<size_t>(N * in), 1)),
        bias_(random_vector(static_cast<size_t>(out), 2)),
        residual_(random_vector(static_cast<size_t>(N * out), 3)) {}

  std::vector<float> run(const Context& context, Activation activation, bool bias, bool residual) {
    const int64_t width = activation == Activation::kSwiglu ? weights_.out() / 2 : weights_.out();
    std::vector<float> y(static_cast<size_t>(N_ * width), kNan);
    decode(context, matrix_of(weights_), N_, x_.data(), y.data(),
           epilogue(activation, bias, residual));
    return y;
  }

  // Against a product of the same weights as fp32. Those of int8 are rounded once more there, which
  // the bound of GemmTruth for k + 4 roundings covers: a lane of the kernels adds fewer than k.
  ::testing::AssertionResult check(const std::vector<float>& y, Activation activation, bool bias,
                                   bool residual) {
    const int64_t out = weights_.out(), in = weights_.in();
    std::vector<float> w;
    for (int64_t o = 0; o < out; ++o)
      for (int64_t i = 0; i < in; ++i)
        w.push_back(static_cast<float>(weights_.at(o, i)));
    std::vector<float> unused(static_cast<size_t>(N_ * out));
    Gemm call{.m = N_, .n = out, .k = in, .a = x_.data(), .lda = in};
    call.b = w.data(), call.ldb = in, call.b_transposed = true;
    call.c = unused.data(), call.ldc = out;
    call.epilogue = epilogue(activation, bias, residual);
    const reference::GemmTruth<double> truth(call, Compute::kFp32);
    for (int64_t r = 0; r < N_; ++r)
      for (int64_t j = 0; j < out; ++j) {
        const auto e = truth.element(r, j);
        const double got = y[static_cast<size_t>(r * out + j)];
        if (!reference::within(got, e.value, e.bound + 2 * kUnit * std::abs(e.before)))
          return ::testing::AssertionFailure()
                 << "element " << r << ", " << j << ": " << got << ", expected " << e.value;
      }
    return ::testing::AssertionSuccess();
  }

  // silu(gate) up from the two halves of the plain product.
  std::vector<double> swiglu(const std::vector<float>& plain) const {
    const int64_t F = weights_.out() / 2;
    std::vector<double> y;
    for (int64_t r = 0; r < N_; ++r)
      for (int64_t f = 0; f < F; ++f) {
        const double gate = plain[static_cast<size_t>(r * 2 * F + f)];
        const double up = plain[static_cast<size_t>(r * 2 * F + F + f)];
        y.push_back(gate / (1 + std::exp(-gate)) * up);
      }
    return y;
  }

 private:
  Epilogue epilogue(Activation activation, bool bias, bool residual) {
    Epilogue epilogue;
    epilogue.activation = activation;
    if (bias) epilogue.bias = bias_.data();
    if (residual) epilogue.residual = residual_.data();
    return epilogue;
  }

  int64_t N_;
  StoredWeights weights_;
  std::vector<float> x_, bias_, residual_;
};

TEST(DecodeProduct, MatchesTheReference) {
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(2);
    const Context context{pool, table};
    for (const WeightType type : kWeightTypes)
      for (const int64_t N : {1, 2, 3, 8, 13, 16})
        for (const int64_t out : {1, 15, 16, 50})
          for (const int64_t in : {1, 33, 130}) {
            Product product(type, N, out, in);
            for (const Activation activation :
                 {Activation::kNone, Activation::kGelu, Activation::kRelu2})
              for (const bool extras : {false, true})
                EXPECT_TRUE(product.check(product.run(context, activation, extras, extras),
                                          activation, extras, extras))
                    << "type " << static_cast<int>(type) << ", " << N << " x " << out << " x "
                    << in;
          }
  });
}

TEST(DecodeProduct, TheCheckRejectsWrongElements) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  Product product(WeightType::kInt8, 3, 20, 40);
  std::vector<float> y = product.run(context, Activation::kGelu, true, true);
  ASSERT_TRUE(product.check(y, Activation::kGelu, true, true));
  EXPECT_FALSE(product.check(y, Activation::kGelu, false, true));
  y[31] += 0.001f;
  EXPECT_FALSE(product.check(y, Activation::kGelu, true, true));
  y[31] = kNan;
  EXPECT_FALSE(product.check(y, Activation::kGelu, true, true));
}

TEST(DecodeProduct, SwigluIsThatOfThePlainProduct) {
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(2);
    const Context context{pool, table};
    for (const WeightType type : kWeightTypes)
      for (const int64_t N : {1, 5, 16})
        for (const int64_t F : {1, 16, 27})
          for (const bool bias : {false, true}) {
            Product product(type, N, 2 * F, 45);
            const auto plain = product.run(context, Activation::kNone, bias, false);
            // The sigmoid is good to a few units (kernels/math_inl.h), and two products follow.
            EXPECT_TRUE(testing::all_close(product.run(context, Activation::kSwiglu, bias, false),
                                           product.swiglu(plain), 1e-37, 16 * kUnit))
                << "type " << static_cast<int>(type) << ", N " << N << ", F " << F;
          }
  });
}

TEST(DecodeProduct, BitsDoNotDependOnThreads) {
  for (const WeightType type : kWeightTypes)
    for (const Activation activation : {Activation::kGelu, Activation::kSwiglu})
      expect_same_bits_for_threads([&](const Context& context) {
        return Product(type, 9, 1030, 65).run(context, activation, true, false);
      });
}

// N rows together have the bits of each alone.
TEST(DecodeProduct, BitsDoNotDependOnTheOtherRows) {
  constexpr int64_t kOut = 70, kIn = 90;
  for_each_table([](const kernels::Table& table) {
    ThreadPool pool(2);
    const Context context{pool, table};
    for (const WeightType type : kWeightTypes)
      for (const Activation activation : {Activation::kGelu, Activation::kSwiglu}) {
        const StoredWeights weights(type, kOut, kIn, 5);
        const std::vector<float> x = random_vector(kDecodeRows * kIn, 1);
        const int64_t width = activation == Activation::kSwiglu ? kOut / 2 : kOut;
        Epilogue epilogue;
        epilogue.activation = activation;
        std::vector<float> alone(static_cast<size_t>(kDecodeRows * width));
        for (int64_t r = 0; r < kDecodeRows; ++r)
          decode(context, matrix_of(weights), 1, x.data() + r * kIn, alone.data() + r * width,
                 epilogue);
        for (int64_t N = 2; N <= kDecodeRows; ++N) {
          std::vector<float> together(static_cast<size_t>(N * width));
          decode(context, matrix_of(weights), N, x.data(), together.data(), epilogue);
          EXPECT_TRUE(same_bits(together, {alone.begin(), alone.begin() + N * width})) << N;
        }
      }
  });
}

TEST(DecodeProduct, TakesEmptySidesAndRefusesTooManyRows) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  const StoredWeights weights(WeightType::kBf16, 3, 0, 1);
  std::vector<float> y(3, kNan);
  const std::vector<float> bias = {1, 2, 3};
  decode(context, matrix_of(weights), 0, nullptr, nullptr, {});
  decode(context, matrix_of(weights), 1, bias.data(), y.data(), {.bias = bias.data()});
  EXPECT_TRUE(same_bits(y, bias)) << "the empty sum";
  EXPECT_DEATH(decode(context, matrix_of(weights), kDecodeRows + 1, nullptr, nullptr, {}), "N=17");
}

TEST(DecodeRows, HaveTheBitsOfTheWholeProduct) {
  constexpr int64_t kOut = 200, kIn = 93;
  const std::vector<float> x = random_vector(kIn, 1);
  for (const WeightType type : kWeightTypes) {
    const StoredWeights weights(type, kOut, kIn, 5);
    expect_same_bits_for_threads([&](const Context& context) {
      std::vector<float> all(kOut), some;
      decode(context, matrix_of(weights), 1, x.data(), all.data(), {});
      for (const size_t count : {0, 1, 15, 16, 17, 131}) {
        // In any order, some twice.
        const std::vector<int32_t> rows = testing::random_tokens(count, kOut, count);
        some.assign(count, kNan);
        decode_rows(context, matrix_of(weights), rows, x.data(), some.data());
        for (size_t i = 0; i < count; ++i)
          EXPECT_EQ(some[i], all[static_cast<size_t>(rows[i])]) << i << " of " << count;
      }
      return some;
    });
  }
}

TEST(DecodeRows, RefuseRowsThatAreNotThere) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  const StoredWeights weights(WeightType::kFp32, 4, 3, 1);
  const std::vector<float> x = {1, 2, 3};
  std::vector<float> y(1);
  for (const int32_t row : {-1, 4})
    EXPECT_DEATH(decode_rows(context, matrix_of(weights), {{row}}, x.data(), y.data()), "of 4");
}

TEST(Gather, AddsTheRowsOfTokenAndPosition) {
  constexpr int64_t kV = 11, kS = 9, kC = 19, kT = 2;
  const std::vector<int32_t> tokens = {10, 0, 3, 3, 7, 10};
  const std::vector<int64_t> first = {0, 7, 4};
  for_each_table([&](const kernels::Table& table) {
    ThreadPool pool(1);
    const Context context{pool, table};
    for (const WeightType type : kWeightTypes) {
      const StoredWeights words(type, kV, kC, 1), places(type, kS, kC, 3);
      const DecodeMatrix token_table = matrix_of(words), position_table = matrix_of(places);
      std::vector<float> alone(tokens.size() * kC), both(alone.size());
      gather(context, kT, tokens, token_table, first, nullptr, alone.data());
      gather(context, kT, tokens, token_table, first, &position_table, both.data());
      for (size_t n = 0; n < tokens.size(); ++n)
        for (int64_t c = 0; c < kC; ++c) {
          const size_t at = n * kC + static_cast<size_t>(c);
          const double word = words.at(tokens[n], c);
          const double place = places.at(first[n / kT] + static_cast<int64_t>(n % kT), c);
          EXPECT_TRUE(std::abs(alone[at] - word) <= kUnit * std::abs(word));
          EXPECT_TRUE(std::abs(both[at] - word - place) <=
                      2 * kUnit * (std::abs(word) + std::abs(place)));
        }
    }
  });
}

TEST(Gather, RefusesRowsThatAreNotThere) {
  ThreadPool pool(1);
  const Context context{pool, kernels::chosen_table()};
  const StoredWeights words(WeightType::kInt8, 4, 3, 1);
  const DecodeMatrix table = matrix_of(words);
  std::vector<float> x(3);
  for (const int32_t token : {-1, 4})
    EXPECT_DEATH(gather(context, 1, {{token}}, table, {{0}}, nullptr, x.data()), "of 4");
  EXPECT_DEATH(gather(context, 1, {{0}}, table, {{4}}, &table, x.data()), "row 4 of 4");
}

// Caches of different lengths in one call, each with the bits of attention_forward alone.
TEST(AttendCached, IsTheAttentionOfEverySequenceAlone) {
  constexpr int64_t kH = 4, kK = 2, kD = 10;
  const std::vector<int64_t> lengths = {1, 7, 64, 65, 200};
  expect_same_bits_for_threads([&](const Context& context) {
    const auto B = static_cast<int64_t>(lengths.size());
    const float scale = 1 / std::sqrt(static_cast<float>(kD));
    constexpr int64_t kStride = kH * kD + 3;  // of q
    const auto q = random_vector(static_cast<size_t>(B * kStride), 9);
    std::vector<std::vector<float>> caches;
    std::vector<CachedRows> sequences;
    std::vector<float> together(static_cast<size_t>(B * kH * kD)), alone(together.size());
    for (int64_t b = 0; b < B; ++b) {
      const int64_t S = lengths[static_cast<size_t>(b)];
      const auto count = static_cast<size_t>(S * kK * kD);
      caches.push_back(random_vector(2 * count, static_cast<uint64_t>(20 + b)));
      sequences.push_back({caches.back().data(), caches.back().data() + count, kK * kD, S});
      const AttentionShape shape{.B = 1, .T = 1, .S = S, .H = kH, .K = kK, .D = kD, .scale = scale};
      Scratch scratch(attention_scratch(context, shape));
      attention_forward(context, shape, {q.data() + b * kStride, kStride},
                        {sequences.back().k, kK * kD}, {sequences.back().v, kK * kD},
                        {alone.data() + b * kH * kD, kH * kD}, nullptr, scratch.data());
    }
    attend_cached(context, {.H = kH, .K = kK, .D = kD, .scale = scale}, q.data(), kStride,
                  sequences, together.data());
    EXPECT_TRUE(same_bits(together, alone));
    return together;
  });
}

}  // namespace
}  // namespace cllm::ops
