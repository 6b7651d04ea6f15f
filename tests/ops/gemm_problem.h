// A product with its operands in every form, checked against the reference: for the tests of
// ops/gemm.h.
#pragma once

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "reference/gemm.h"
#include "testing_tables.h"

namespace cllm::testing {

using kernels::Bf16;
using kernels::Fp16;
using ops::Activation;
using ops::Compute;
using ops::Gemm;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kSentinel = 1984;  // the same number in every format

enum class Residual { kNone, kApart, kInC };

struct Flags {
  bool a_transposed = false, b_transposed = false, accumulate = false;
  bool b_stored = false;  // B is of A's type, else fp32
  bool packed = false;
  Compute compute = Compute::kFp32;  // of a packed B
  bool bias = false, auxiliary = false;
  Activation activation = Activation::kNone;
  Residual residual = Residual::kNone;
  int64_t gap = 0;  // row stride minus width of every matrix
};

// Any of the types of a matrix, as long as it takes. Storage to which pointers stay valid.
class Matrix {
 public:
  // rows x width numbers, representable in `storage`, with `between` in the gaps between rows and
  // no element after the last row, so that a read beyond a row poisons the result or is seen by the
  // address sanitizer.
  Matrix(ops::Storage storage, int64_t rows, int64_t width, int64_t gap, uint64_t seed,
         float between)
      : storage_(storage) {
    if (rows == 0 || width == 0) return;
    const auto values = testing::random_vector(static_cast<size_t>(rows * width), seed);
    std::vector<float> x(static_cast<size_t>((rows - 1) * (width + gap) + width), between);
    for (int64_t r = 0; r < rows; ++r)
      std::copy_n(values.begin() + r * width, width, x.begin() + r * (width + gap));
    ops::with_storage(storage, [&](auto tag) {
      using S = typename decltype(tag)::Type;
      bytes_.resize(x.size() * sizeof(S));
      for (size_t i = 0; i < x.size(); ++i) {
        const S element = rounded<S>(x[i]);
        std::memcpy(&bytes_[i * sizeof(S)], &element, sizeof(S));
      }
    });
  }
  ops::Values values() { return {bytes_.data(), storage_}; }
  float* floats() { return values().as<float>(); }
  size_t size() const {
    return bytes_.size() / static_cast<size_t>(kernels::storage_bytes(storage_));
  }
  double at(size_t i) const {
    return ops::with_storage(storage_, [&](auto tag) {
      typename decltype(tag)::Type x;
      std::memcpy(&x, &bytes_[i * sizeof x], sizeof x);
      if constexpr (std::is_same_v<decltype(x), float>)
        return static_cast<double>(x);
      else
        return testing::value_of(x);
    });
  }
  void set(size_t i, float value) {
    ops::with_storage(storage_, [&](auto tag) {
      const auto x = rounded<typename decltype(tag)::Type>(value);
      std::memcpy(&bytes_[i * sizeof x], &x, sizeof x);
    });
  }
  friend bool operator==(const Matrix& a, const Matrix& b) { return a.bytes_ == b.bytes_; }

 private:
  template <class S>
  static S rounded(float x) {
    if constexpr (std::is_same_v<S, float>)
      return x;
    else
      return std::isnan(x) ? S{0x7fff} : testing::stored<S>(x);
  }
  ops::Storage storage_;
  std::vector<unsigned char> bytes_;
};

// Aligned scratch that starts as NaN.
class Aligned {
 public:
  explicit Aligned(int64_t floats) : space_(static_cast<size_t>(floats) + kAlignment, kNan) {}
  float* data() {
    const size_t misfit = reinterpret_cast<uintptr_t>(space_.data()) / sizeof(float) % kAlignment;
    return space_.data() + (kAlignment - misfit) % kAlignment;
  }

 private:
  static constexpr size_t kAlignment = 64 / sizeof(float);
  std::vector<float> space_;
};

// For any product, each of which gets as much as it asks for: what lies behind must stay.
class Scratch : public Aligned {
 public:
  explicit Scratch(const ops::Context& context)
      : Aligned(static_cast<int64_t>(ops::gemm_scratch(context)) + kGuard),
        most_(ops::gemm_scratch(context)) {}

  void run(const ops::Context& context, const Gemm& call) {
    const size_t floats = ops::gemm_scratch(context, call);
    ASSERT_LE(floats, most_);
    float* const end = data() + floats;
    std::fill_n(end, kGuard, kSentinel);
    ops::gemm(context, call, data());
    ASSERT_EQ(std::count(end, end + kGuard, kSentinel), kGuard) << "written behind the scratch";
  }

 private:
  static constexpr int64_t kGuard = 256;
  size_t most_;
};

// A product with its operands, before and after. A, C, auxiliary and residual are of `storage`, but
// an accumulated C is fp32.
class Problem {
 public:
  Problem(ops::Storage storage, int64_t m, int64_t n, int64_t k, const Flags& flags)
      : flags_(flags),
        a_(storage, flags.a_transposed ? k : m, flags.a_transposed ? m : k, flags.gap, 1, kNan),
        b_(flags.b_stored ? storage : ops::Storage::kFp32, flags.b_transposed ? n : k,
           flags.b_transposed ? k : n, flags.gap, 2, kNan),
        c_(flags.accumulate ? ops::Storage::kFp32 : storage, m, n, flags.gap, 3, kSentinel),
        auxiliary_(storage, m, n, flags.gap, 5, kSentinel),
        residual_(storage, m, n, flags.gap, 6, kSentinel),
        before_c_(c_),
        before_auxiliary_(auxiliary_),
        bias_(testing::random_vector(static_cast<size_t>(n), 4)) {
    call_.m = m, call_.n = n, call_.k = k;
    call_.lda = (flags.a_transposed ? m : k) + flags.gap;
    call_.ldb = (flags.b_transposed ? k : n) + flags.gap;
    call_.ldc = n + flags.gap;
    call_.a_transposed = flags.a_transposed;
    call_.b_transposed = flags.b_transposed;
    call_.accumulate = flags.accumulate;
  }

  void run(const ops::Context& context, Scratch& scratch) {
    c_ = before_c_;
    auxiliary_ = before_auxiliary_;
    Gemm call = with(c_, auxiliary_);
    compute_ = flags_.packed ? flags_.compute : ops::compute_for(context, a_.values().storage());
    // Few rows times an unpacked fp32 B are dot products in fp32.
    if (!flags_.packed && call.m <= kernels::GemmKernels::kDotRows && call.b_transposed &&
        !call.a_transposed && !flags_.b_stored)
      compute_ = Compute::kFp32;
    if (!flags_.packed) return scratch.run(context, call);
    Aligned space(ops::packed_floats(context, compute_, call.k, call.n));
    const ops::PackedMatrix packed = ops::pack(context, compute_, call.k, call.n, b_.floats(),
                                               call.ldb, call.b_transposed, space.data());
    call.packed = &packed;
    call.b = nullptr;
    scratch.run(context, call);
  }

  // Every element within its bound, every gap untouched.
  ::testing::AssertionResult correct() {
    const reference::GemmTruth<double> truth(with(before_c_, before_auxiliary_), compute_);
    for (int64_t i = 0; i < call_.m; ++i)
      for (int64_t j = 0; j < call_.n; ++j) {
        const auto e = truth.element(i, j);
        const auto at = static_cast<size_t>(i * call_.ldc + j);
        if (!reference::within(c_.at(at), e.value, e.bound))
          return failure("C", i, j, c_.at(at), e.value, e.bound);
        const double before = auxiliary_.at(at);
        if (writes_auxiliary() ? !reference::within(before, e.before, e.before_bound)
                               : before != before_auxiliary_.at(at))
          return failure("auxiliary", i, j, before, e.before, e.before_bound);
      }
    return gaps_untouched(c_) && gaps_untouched(auxiliary_)
               ? ::testing::AssertionSuccess()
               : ::testing::AssertionFailure() << "written between rows";
  }

  Matrix& c() { return c_; }
  const Matrix& auxiliary() const { return auxiliary_; }

 private:
  bool writes_auxiliary() const {
    return flags_.auxiliary &&
           (flags_.activation == Activation::kGelu || flags_.activation == Activation::kRelu2);
  }

  Gemm with(Matrix& c, Matrix& auxiliary) {
    Gemm call = call_;
    call.a = a_.values();
    call.b = b_.values();
    call.c = c.values();
    call.epilogue.activation = flags_.activation;
    if (flags_.bias) call.epilogue.bias = bias_.data();
    if (flags_.auxiliary) call.epilogue.auxiliary = auxiliary.values();
    if (flags_.residual == Residual::kApart) call.epilogue.residual = residual_.values();
    if (flags_.residual == Residual::kInC) call.epilogue.residual = c.values();
    return call;
  }

  bool gaps_untouched(const Matrix& x) const {
    for (size_t at = 0; at < x.size(); ++at)
      if (static_cast<int64_t>(at) % call_.ldc >= call_.n && x.at(at) != kSentinel) return false;
    return true;
  }

  ::testing::AssertionResult failure(const char* what, int64_t i, int64_t j, double got,
                                     double expected, double bound) {
    return ::testing::AssertionFailure()
           << what << "(" << i << ", " << j << ") = " << got << " instead of " << expected << " +- "
           << bound << "; m=" << call_.m << " n=" << call_.n << " k=" << call_.k
           << " storage=" << static_cast<int>(a_.values().storage())
           << " compute=" << static_cast<int>(compute_) << " a_transposed=" << flags_.a_transposed
           << " b_transposed=" << flags_.b_transposed << " b_stored=" << flags_.b_stored
           << " packed=" << flags_.packed << " accumulate=" << flags_.accumulate
           << " gap=" << flags_.gap;
  }

  Flags flags_;
  Gemm call_;
  Compute compute_ = Compute::kFp32;
  Matrix a_, b_, c_, auxiliary_, residual_, before_c_, before_auxiliary_;
  std::vector<float> bias_;
};

constexpr ops::Storage kStorages[] = {ops::Storage::kFp32, ops::Storage::kBf16,
                                      ops::Storage::kFp16};

// Every way to give the operands of a product of `storage` on this table.
inline std::vector<Flags> every_form(const ops::Context& context, ops::Storage storage) {
  std::vector<Flags> all;
  for (const bool a : {false, true})
    for (const bool b : {false, true})
      for (const bool accumulate : {false, true}) {
        Flags flags;
        flags.a_transposed = a, flags.b_transposed = b, flags.accumulate = accumulate;
        flags.gap = a == accumulate ? 3 : 0;
        all.push_back(flags);
        flags.b_stored = true;
        if (storage != ops::Storage::kFp32) all.push_back(flags);
        flags.b_stored = false, flags.packed = true;
        flags.compute = ops::compute_for(context, storage);
        all.push_back(flags);
      }
  return all;
}

// Calls body(context, scratch, storage, flags) for every table, storage and form.
template <class Body>
void for_each_form(int threads, Body body) {
  ThreadPool pool(threads);
  testing::for_each_table([&](const kernels::Table& table) {
    const ops::Context context{pool, table};
    Scratch scratch(context);
    for (const ops::Storage storage : kStorages)
      for (const Flags& flags : every_form(context, storage))
        body(context, scratch, storage, flags);
  });
}

inline std::vector<Flags> every_epilogue() {
  std::vector<Flags> all;
  for (const Activation activation : {Activation::kNone, Activation::kGelu, Activation::kRelu2,
                                      Activation::kGeluBackward, Activation::kRelu2Backward})
    for (const bool bias : {false, true})
      for (const bool auxiliary : {false, true})
        for (const Residual residual : {Residual::kNone, Residual::kApart, Residual::kInC}) {
          const bool backward =
              activation == Activation::kGeluBackward || activation == Activation::kRelu2Backward;
          if (backward && !auxiliary) continue;
          if (activation != Activation::kNone && residual == Residual::kInC) continue;
          Flags flags;
          flags.activation = activation, flags.bias = bias;
          flags.auxiliary = auxiliary, flags.residual = residual;
          flags.gap = bias ? 2 : 0;
          all.push_back(flags);
        }
  return all;
}

}  // namespace cllm::testing
