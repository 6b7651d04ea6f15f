// oneDNN as an opponent of `cllm bench gemm`: its BLAS entry, and the matmul primitive in fp32 and
// bf16, with B as it lies and with B reordered beforehand into the layout that it likes best.
#include <omp.h>

#include <memory>
#include <oneapi/dnnl/dnnl.hpp>
#include <string>
#include <unordered_map>

#include "bench/opponent_api.h"

namespace {

using cllm::bench::OpponentModule;
using cllm::bench::OpponentProduct;
using cllm::bench::OpponentVariant;
using dnnl::memory;

void* prepare_sgemm(const OpponentProduct* product) {
  return std::make_unique<OpponentProduct>(*product).release();
}

void run_sgemm(void* prepared) {
  const auto& p = *static_cast<const OpponentProduct*>(prepared);
  dnnl_sgemm(p.a_transposed ? 'T' : 'N', p.b_transposed ? 'T' : 'N', p.m, p.n, p.k, 1.0f,
             static_cast<const float*>(p.a), p.a_transposed ? p.m : p.k,
             static_cast<const float*>(p.b), p.b_transposed ? p.k : p.n, p.accumulate ? 1.0f : 0.0f,
             static_cast<float*>(p.c), p.n);
}

void release_sgemm(void* prepared) {
  const std::unique_ptr<OpponentProduct> owner(static_cast<OpponentProduct*>(prepared));
}

struct Matmul {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul primitive;
  memory a, b, c;
};

memory::desc matrix(int64_t rows, int64_t columns, bool transposed, memory::data_type type) {
  const memory::dims strides =
      transposed ? memory::dims{1, rows} : memory::dims{columns, int64_t{1}};
  return {{rows, columns}, type, strides};
}

std::unique_ptr<Matmul> make_matmul(const OpponentProduct& p, bool prepack) {
  auto made = std::make_unique<Matmul>();
  const auto type = p.bf16 ? memory::data_type::bf16 : memory::data_type::f32;
  const auto a = matrix(p.m, p.k, p.a_transposed, type);
  const auto b = matrix(p.k, p.n, p.b_transposed, type);
  const auto c = matrix(p.m, p.n, false, p.accumulate ? memory::data_type::f32 : type);
  const memory::desc any({p.k, p.n}, type, memory::format_tag::any);
  dnnl::primitive_attr attributes;
  if (p.accumulate) {
    dnnl::post_ops sum;
    sum.append_sum(1.0f);
    attributes.set_post_ops(sum);
  }
  const dnnl::matmul::primitive_desc description({a, prepack ? any : b, c}, attributes,
                                                 made->engine);
  made->primitive = dnnl::matmul(description);
  // The library's type has no const; it only reads A and B.
  made->a = memory(a, made->engine, const_cast<void*>(p.a));
  made->b = memory(b, made->engine, const_cast<void*>(p.b));
  made->c = memory(c, made->engine, p.c);
  if (prepack && description.weights_desc() != b) {
    memory packed(description.weights_desc(), made->engine);
    dnnl::reorder(made->b, packed).execute(made->stream, made->b, packed);
    made->stream.wait();
    made->b = packed;
  }
  return made;
}

template <bool prepack>
void* prepare_matmul(const OpponentProduct* product) {
  try {
    return make_matmul(*product, prepack).release();
  } catch (const dnnl::error&) {
    return nullptr;
  }
}

void run_matmul(void* prepared) {
  auto& matmul = *static_cast<Matmul*>(prepared);
  matmul.primitive.execute(
      matmul.stream,
      {{DNNL_ARG_SRC, matmul.a}, {DNNL_ARG_WEIGHTS, matmul.b}, {DNNL_ARG_DST, matmul.c}});
  matmul.stream.wait();
}

void release_matmul(void* prepared) {
  const std::unique_ptr<Matmul> owner(static_cast<Matmul*>(prepared));
}

void use_threads(int threads) {
  omp_set_num_threads(threads);
}

constexpr OpponentVariant kVariants[] = {
    {"sgemm", false, prepare_sgemm, run_sgemm, release_sgemm},
    {"matmul", false, prepare_matmul<false>, run_matmul, release_matmul},
    {"matmul, B packed", false, prepare_matmul<true>, run_matmul, release_matmul},
    {"matmul", true, prepare_matmul<false>, run_matmul, release_matmul},
    {"matmul, B packed", true, prepare_matmul<true>, run_matmul, release_matmul},
};

}  // namespace

extern "C" __attribute__((visibility("default"))) const OpponentModule* cllm_opponent_module() {
  static const std::string library = "oneDNN " + std::to_string(dnnl_version()->major) + "." +
                                     std::to_string(dnnl_version()->minor) + "." +
                                     std::to_string(dnnl_version()->patch);
  static const OpponentModule module = {library.c_str(), use_threads, std::size(kVariants),
                                        kVariants};
  return &module;
}
