// The same product by the libraries that were found when this was built.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ops/gemm.h"

#ifdef CLLM_OPENBLAS
#include <cblas.h>
#endif
#ifdef CLLM_ONEDNN
#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace cllm::bench {

using Opponent = std::pair<std::string, std::function<void()>>;

#ifdef CLLM_OPENBLAS
inline void openblas(const ops::Gemm& call) {
  cblas_sgemm(CblasRowMajor, call.a_transposed ? CblasTrans : CblasNoTrans,
              call.b_transposed ? CblasTrans : CblasNoTrans, static_cast<int>(call.m),
              static_cast<int>(call.n), static_cast<int>(call.k), 1.0f, call.a.as<float>(),
              static_cast<int>(call.lda), call.b.as<float>(), static_cast<int>(call.ldb),
              call.accumulate ? 1.0f : 0.0f, call.c.as<float>(), static_cast<int>(call.ldc));
}
#endif

#ifdef CLLM_ONEDNN
// A matmul of oneDNN on the operands of a call; with `packed` the weight in the layout it likes
// best, converted before. A bf16 product gets a bf16 weight. It does not accumulate.
class OneDnnMatmul {
 public:
  OneDnnMatmul(const ops::Gemm& call, bool packed)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using dnnl::memory;
    using Tag = memory::format_tag;
    const auto type = [](ops::ConstValues values) {
      return values.storage() == ops::Storage::kBf16 ? memory::data_type::bf16
                                                     : memory::data_type::f32;
    };
    const memory::data_type words = type(call.a);
    const memory::desc a({call.m, call.k}, words, call.a_transposed ? Tag::ba : Tag::ab);
    const memory::desc plain_b({call.k, call.n}, words, call.b_transposed ? Tag::ba : Tag::ab);
    const memory::desc c({call.m, call.n}, type(call.c), Tag::ab);
    const memory::desc any_b({call.k, call.n}, words, Tag::any);
    const dnnl::matmul::primitive_desc description({a, packed ? any_b : plain_b, c}, engine_);
    matmul_ = dnnl::matmul(description);
    a_ = memory(a, engine_, const_cast<void*>(call.a.data()));
    c_ = memory(c, engine_, call.c.data());
    const memory::desc given({call.k, call.n}, type(call.b), call.b_transposed ? Tag::ba : Tag::ab);
    b_ = memory(given, engine_, const_cast<void*>(call.b.data()));
    const memory::desc wanted = description.weights_desc();
    if (wanted == given) return;
    memory converted(wanted, engine_);
    dnnl::reorder(b_, converted).execute(stream_, b_, converted);
    stream_.wait();
    b_ = converted;
  }
  void run() {
    matmul_.execute(stream_, {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}});
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::matmul matmul_;
  dnnl::memory a_, b_, c_;
};
#endif

// The opponents of a call in fp32 or bf16, its weight given as it lies.
inline std::vector<Opponent> gemm_opponents(const ops::Gemm& call, int threads) {
  std::vector<Opponent> all;
#ifdef CLLM_OPENBLAS
  openblas_set_num_threads(threads);
  if (call.a.storage() == ops::Storage::kFp32)
    all.emplace_back("OpenBLAS", [call] { openblas(call); });
#endif
#ifdef CLLM_ONEDNN
  const auto add = [&](const char* name, bool packed) {
    const auto matmul = std::make_shared<OneDnnMatmul>(call, packed);
    all.emplace_back(name, [matmul] { matmul->run(); });
  };
  add("oneDNN", false);
  if (!call.a_transposed) add("oneDNN packed", true);
#endif
  return all;
}

}  // namespace cllm::bench
