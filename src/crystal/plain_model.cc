#include "crystal/plain_model.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "base/error.h"
#include "ops/composite.h"
#include "ops/gemm.h"
#include "ops/lattice_table.h"

namespace cllm {
namespace {

constexpr double kUnit = 0x1p-24;  // of rounding to fp32
constexpr int64_t kLongestWindow = 1024;

// table [V, C] = A B^T. Few rows are multiplied in another order than many (ops/gemm.h), so a block
// has as many as a window of the model; the last one begins again at the first token.
void multiply_factors(const Transformer& model, const float* weights, const ops::Context& context,
                      float* table) {
  const Parameter& factors = model.token_table();
  const auto B = model.embedding().projection()->weight_parameter();
  const int64_t V = factors.shape[0], r = factors.shape[1], C = model.config().width,
                T = plain_window(model.config());
  Arena in(T * r, "the factors of some tokens"), out(T * C, "the vectors of some tokens");
  const ops::Gemm call{.m = T,
                       .n = C,
                       .k = r,
                       .a = in.data(),
                       .lda = r,
                       .b = weights + model.parameters().at(B).offset,
                       .ldb = r,
                       .b_transposed = true,
                       .c = out.data(),
                       .ldc = C};
  Arena scratch(static_cast<int64_t>(ops::gemm_scratch(context, call)), "a product");
  for (int64_t first = 0; first < V; first += T) {
    for (int64_t t = 0; t < T; ++t)
      std::copy_n(weights + factors.offset + (first + t) % V * r, r, in.data() + t * r);
    ops::gemm(context, call, scratch.data());
    std::copy_n(out.data(), std::min(T, V - first) * C, table + first * C);
  }
}

// The bound of Higham's "Accuracy and Stability of Numerical Algorithms" for `n` roundings of a
// sum, in whatever order.
double gamma(int64_t n) {
  const double nu = static_cast<double>(n) * kUnit;
  return nu / (1 - nu);
}

// The Euclidean length of what the final norm gives, at most: sqrt(C) times its largest gain, plus
// its bias. One thousandth more is for its own rounding.
double longest_hidden(const Transformer& model, const float* weights) {
  const auto C = static_cast<double>(model.config().width);
  double gain = 0, bias = 0;
  const Parameter& gains = *model.parameters().find("final_norm.gain");
  for (int64_t c = 0; c < gains.count; ++c)
    gain = std::max(gain, std::abs(double{weights[gains.offset + c]}));
  if (const Parameter* biases = model.parameters().find("final_norm.bias"))
    for (int64_t c = 0; c < biases->count; ++c)
      bias += std::pow(double{weights[biases->offset + c]}, 2);
  return 1.001 * (std::sqrt(C) * gain + std::sqrt(bias));
}

// lengths [count] of vectors of `size` numbers, `step` apart, at `from` and every `next` further.
std::vector<double> lengths(const float* from, int64_t count, int64_t next, int64_t size,
                            int64_t step) {
  std::vector<double> all(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) {
    double sum = 0;
    for (int64_t j = 0; j < size; ++j)
      sum += std::pow(double{from[i * next + j * step]}, 2);
    all[static_cast<size_t>(i)] = std::sqrt(sum);
  }
  return all;
}

// A token's vector is a sum of terms; by token, the lengths of the terms together, and how often a
// number is rounded on the way through them at most.
struct TermSizes {
  std::vector<double> sizes;
  int64_t roundings = 0;
};

TermSizes factor_terms(const Transformer& model, const float* weights) {
  const Parameter& factors = model.token_table();
  const auto B = model.embedding().projection()->weight_parameter();
  const int64_t V = factors.shape[0], r = factors.shape[1], C = model.config().width;
  const std::vector<double> columns =
      lengths(weights + model.parameters().at(B).offset, r, 1, C, r);
  TermSizes terms{std::vector<double>(static_cast<size_t>(V)), r};
  for (int64_t v = 0; v < V; ++v)
    for (int64_t j = 0; j < r; ++j)
      terms.sizes[static_cast<size_t>(v)] +=
          std::abs(double{weights[factors.offset + v * r + j]}) * columns[static_cast<size_t>(j)];
  return terms;
}

TermSizes code_terms(const Transformer& model, const float* weights) {
  const Parameter& table = model.token_table();
  const ops::Codes codes = model.codes()->matrix();
  const std::vector<double> rows =
      lengths(weights + table.offset, table.shape[0], table.shape[1], table.shape[1], 1);
  // The sum, and its product with the scale.
  TermSizes terms{std::vector<double>(static_cast<size_t>(codes.V)), codes.most + 1};
  for (int64_t v = 0; v < codes.V; ++v)
    for (int32_t i = codes.offsets[v]; i < codes.offsets[v + 1]; ++i)
      terms.sizes[static_cast<size_t>(v)] +=
          double{codes.scales[v]} * rows[static_cast<size_t>(codes.pieces[i])];
  return terms;
}

}  // namespace

int64_t plain_window(const ModelConfig& config) {
  return std::min(config.context_length, kLongestWindow);
}

ModelConfig plain_config(const ModelConfig& config) {
  if (config.ngram_order > 0)
    throw Error(ErrorKind::kUsage, "model.ngram_order",
                "the memory of n-grams looks up several tokens at once, which no plain weights do",
                "use this model with cllm as it is, or train one with model.ngram_order=0");
  if (config.prior_order > 0)
    throw Error(ErrorKind::kUsage, "model.prior_order",
                "the counts that the logits are added to lie beside the network and are no weights",
                "use this model with cllm as it is, or train one with model.prior_order=0");
  ModelConfig plain = config;
  plain.embedding = nn::EmbeddingKind::kDense;
  plain.embedding_width = plain.embedding_primes = plain.embedding_dense_rows = 0;
  plain.embedding_codes = EmbeddingCodes::kPrime;
  plain.embedding_step = 0;
  return plain;
}

void fill_plain_table(const Transformer& model, const float* weights, const ops::Context& context,
                      float* table) {
  const Parameter& own = model.token_table();
  const float* const from = weights + own.offset;
  const int64_t V = model.config().vocabulary_size, C = model.config().width;
  switch (model.config().embedding) {
    case nn::EmbeddingKind::kDense:
      std::copy_n(from, own.count, table);
      return;
    case nn::EmbeddingKind::kLattice:
      return ops::lattice_round(context, V, C, static_cast<float>(model.config().lattice_step()),
                                from, table);
    case nn::EmbeddingKind::kFactorised:
      return multiply_factors(model, weights, context, table);
    case nn::EmbeddingKind::kComposite: {
      std::vector<int32_t> tokens(static_cast<size_t>(V));
      std::iota(tokens.begin(), tokens.end(), 0);
      return ops::composite_forward(context, V, 1, C, tokens.data(), model.codes()->matrix(), from,
                                    nullptr, table);
    }
  }
}

PlainModel plain_model(const Transformer& model, const float* weights,
                       const ops::Context& context) {
  PlainModel plain;
  plain.model = std::make_unique<const Transformer>(plain_config(model.config()));
  const ParameterTable& table = plain.model->parameters();
  plain.weights = Arena(table.arena_floats(), "the plain weights");
  for (const Parameter& parameter : table.all()) {
    float* const to = plain.weights.data() + parameter.offset;
    if (&parameter == &plain.model->token_table()) {
      fill_plain_table(model, weights, context, to);
      continue;
    }
    const Parameter* const from = model.parameters().find(parameter.name);
    CHECK_MSG(from != nullptr && from->shape == parameter.shape, "{}", parameter.name);
    std::copy_n(weights + from->offset, from->count, to);
  }
  return plain;
}

// Either head rounds what it sums at most C times on the way through h and `roundings` times on the
// way through the terms, and the sum of all absolute products is at most |h| times the lengths of
// the terms. The softcap only brings numbers together, and rounds them itself (kernels/rows.h).
std::vector<double> plain_logit_bounds(const Transformer& model, const float* weights) {
  const ModelConfig& config = model.config();
  const bool factors = config.embedding == nn::EmbeddingKind::kFactorised;
  if (!config.tied_head || !(factors || config.embedding == nn::EmbeddingKind::kComposite))
    return {};
  TermSizes terms = factors ? factor_terms(model, weights) : code_terms(model, weights);
  const double scale = 2 * gamma(config.width + terms.roundings) * longest_hidden(model, weights);
  for (double& size : terms.sizes)
    size = scale * size + 2 * 8 * kUnit * config.logit_softcap;
  return std::move(terms.sizes);
}

}  // namespace cllm
