// OpenBLAS as an opponent of `cllm bench gemm`.
#include <cblas.h>

#include <memory>

#include "bench/opponent_api.h"

namespace {

using cllm::bench::OpponentModule;
using cllm::bench::OpponentProduct;
using cllm::bench::OpponentVariant;

void* prepare(const OpponentProduct* product) {
  return std::make_unique<OpponentProduct>(*product).release();
}

void run(void* prepared) {
  const auto& p = *static_cast<const OpponentProduct*>(prepared);
  const auto m = static_cast<blasint>(p.m), n = static_cast<blasint>(p.n);
  const auto k = static_cast<blasint>(p.k);
  cblas_sgemm(CblasRowMajor, p.a_transposed ? CblasTrans : CblasNoTrans,
              p.b_transposed ? CblasTrans : CblasNoTrans, m, n, k, 1.0f,
              static_cast<const float*>(p.a), p.a_transposed ? m : k,
              static_cast<const float*>(p.b), p.b_transposed ? k : n, p.accumulate ? 1.0f : 0.0f,
              static_cast<float*>(p.c), n);
}

void release(void* prepared) {
  const std::unique_ptr<OpponentProduct> owner(static_cast<OpponentProduct*>(prepared));
}

void use_threads(int threads) {
  openblas_set_num_threads(threads);
}

constexpr OpponentVariant kVariants[] = {{"sgemm", false, prepare, run, release}};

}  // namespace

extern "C" __attribute__((visibility("default"))) const OpponentModule* cllm_opponent_module() {
  static const OpponentModule module = {openblas_get_config(), use_threads, 1, kVariants};
  return &module;
}
