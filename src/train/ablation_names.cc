// The techniques that cllm ablate knows: their arms and what is claimed of them.
#include <fmt/format.h>

#include "base/error.h"
#include "base/suggest.h"
#include "train/ablation.h"

namespace cllm {
namespace {

// Every arm against the first.
std::vector<AblationClaim> claims_against_first(const std::vector<AblationArm>& arms,
                                                const std::vector<Quantity>& quantities) {
  std::vector<AblationClaim> claims;
  for (size_t arm = 1; arm < arms.size(); ++arm)
    for (const Quantity quantity : quantities)
      claims.push_back({arms[arm].name, arms.front().name, quantity});
  return claims;
}

// Of settings alone.
Ablation trained(std::string name, std::vector<AblationArm> arms,
                 const std::vector<Quantity>& quantities = {Quantity::kLoss}) {
  std::vector<AblationClaim> claims = claims_against_first(arms, quantities);
  return {std::move(name), std::move(arms), std::move(claims)};
}

// One training, compressed in every way. At equal bits each method should do better than the one
// that knows less.
Ablation compression() {
  struct Method {
    QuantiseMethod method;
    std::vector<QuantiseMethod> worse;
  };
  using enum QuantiseMethod;
  const std::vector<Method> methods = {
      {kRtn, {}}, {kGptq, {kRtn}}, {kLllBabai, {kGptq}}, {kLllKbest, {kGptq, kLllBabai}}};
  Ablation result{
      "compression", {{"fp32", {}}, {"bf16", {}, DerivedArm{"fp32", RoundedArm{}}}}, {}};
  const auto name = [](QuantiseMethod method, int bits) {
    return fmt::format("{}-{}", quantise_method_name(method), bits);
  };
  for (const int bits : {2, 3, 4})
    for (const auto& [method, worse] : methods) {
      result.arms.push_back({name(method, bits),
                             {},
                             DerivedArm{"fp32", CompressedArm{method, static_cast<double>(bits)}},
                             std::string(quantise_method_name(method))});
      for (const QuantiseMethod other : worse)
        result.claims.push_back({name(method, bits), name(other, bits), Quantity::kLoss});
    }
  return result;
}

// Narrow models trained from nothing and a wide one cut to their width. 64-of-128 has the shape
// that the cut leaves: its stream alone is narrower.
Ablation width() {
  const auto cut = [](ResizeMethod method) { return DerivedArm{"128", ResizedArm{method, 64}}; };
  return {"width",
          {{"64", {"model.width=64", "model.heads=4"}},
           {"64-of-128",
            {"model.width=64", "model.heads=4", "model.head_size=32", "model.mlp_width=512"}},
           {"128", {"model.width=128", "model.heads=4", "model.mlp_width=512"}},
           {"128-pca-64", {}, cut(ResizeMethod::kPca)},
           {"128-slice-64", {}, cut(ResizeMethod::kSlice)}},
          {{"64-of-128", "64"},
           {"128", "64"},
           {"128", "128-pca-64"},
           {"128-pca-64", "64-of-128"},
           {"128-pca-64", "128-slice-64"}}};
}

// A model against what counts of the same text predict in the same windows, and both together.
Ablation baseline() {
  Ablation result{"baseline", {{"model", {}}}, {}};
  for (const int order : {2, 4, 6, 8}) {
    const std::string name = fmt::format("kn-{}", order);
    result.arms.push_back({name, {}, DerivedArm{"model", CountsArm{order}}});
    result.claims.push_back({"model", name, Quantity::kLoss});
  }
  result.arms.push_back(
      {"model-and-kn-6", {}, DerivedArm{"model", CountsArm{.order = 6, .mixed = true}}});
  for (const char* alone : {"model", "kn-6"})
    result.claims.push_back({"model-and-kn-6", alone, Quantity::kLoss});
  return result;
}

// The next token from a few candidates. Divisors are small ids, which are frequent tokens': the
// first ids are what the gcd has to beat.
Ablation shortlist() {
  using By = ChoiceArm::By;
  const auto arm = [](std::string name, By by, const ShortlistOptions& options) {
    return AblationArm{std::move(name), {}, DerivedArm{"model", ChoiceArm{by, options}}};
  };
  const ShortlistOptions few{.candidates = 128}, many{.candidates = 512};
  ShortlistOptions one_bit = many;
  one_bit.query_bits = 1;
  Ablation result{"shortlist",
                  {{"model", {}},
                   arm("whole-head", By::kHead, {}),
                   arm("signs-128", By::kSignatures, few),
                   arm("signs-512", By::kSignatures, many),
                   arm("signs-512-query-1", By::kSignatures, one_bit),
                   arm("gcd-of-ids-512", By::kGcdOfIds, many),
                   arm("first-ids-512", By::kFirstIds, many)},
                  {}};
  for (const char* signs : {"signs-128", "signs-512", "signs-512-query-1"})
    result.claims.push_back({signs, "whole-head", Quantity::kChoiceShare});
  for (const Quantity recall : {Quantity::kRecall1, Quantity::kRecall40}) {
    result.claims.push_back({"signs-512", "first-ids-512", recall});
    result.claims.push_back({"gcd-of-ids-512", "first-ids-512", recall});
  }
  result.claims.push_back({"gcd-of-ids-512", "whole-head", Quantity::kChoiceShare});
  return result;
}

// No memory, whatever the common settings say of the others' tables, which would be refused here.
std::vector<std::string> without_ngrams() {
  const ModelConfig defaults{};
  return {"model.ngram_order=0", fmt::format("model.ngram_rows={}", defaults.ngram_rows),
          "model.ngram_modulus_a=0", "model.ngram_modulus_b=0", "model.ngram_dropout=0"};
}

std::vector<Ablation> make_ablations() {
  constexpr Quantity kLoss = Quantity::kLoss, kSeconds = Quantity::kSeconds;
  return {
      trained("ngram-memory", {{"plain", without_ngrams()},
                               {"order-2", {"model.ngram_order=2"}},
                               {"order-3", {"model.ngram_order=3"}},
                               {"order-4", {"model.ngram_order=4"}}}),
      trained("ngram-rows", {{"rows-1024", {"model.ngram_order=4", "model.ngram_rows=1024"}},
                             {"rows-4096", {"model.ngram_order=4", "model.ngram_rows=4096"}},
                             {"rows-16384", {"model.ngram_order=4", "model.ngram_rows=16384"}},
                             {"rows-65536", {"model.ngram_order=4", "model.ngram_rows=65536"}}}),
      trained("ngram-dropout", {{"none", {"model.ngram_order=4", "model.ngram_dropout=0"}},
                                {"0.3", {"model.ngram_order=4", "model.ngram_dropout=0.3"}},
                                {"0.5", {"model.ngram_order=4", "model.ngram_dropout=0.5"}}}),
      trained("lattice-embedding",
              {{"dense", {"model.embedding=dense"}},
               {"step-1/256", {"model.embedding=lattice", "model.embedding_step=0.00390625"}},
               {"step-1/64", {"model.embedding=lattice", "model.embedding_step=0.015625"}},
               {"step-1/16", {"model.embedding=lattice", "model.embedding_step=0.0625"}}}),
      trained(
          "prime-embedding",
          {{"dense", {"model.embedding=dense"}},
           {"factorised-64", {"model.embedding=factorised", "model.embedding_width=64"}},
           {"composite-input", {"model.embedding=composite", "model.tied_head=false"}},
           {"composite", {"model.embedding=composite"}},
           {"composite-dense-1024",
            {"model.embedding=composite", "model.embedding_dense_rows=1024"}},
           {"composite-merges-2048", {"model.embedding=composite", "model.embedding_primes=2048"}},
           {"random-codes", {"model.embedding=composite", "model.embedding_codes=random"}}}),
      trained("exact-reduction",
              {{"tree", {"parallel.mode=batch", "parallel.reduction=tree"}},
               {"fixed", {"parallel.mode=batch", "parallel.reduction=fixed"}},
               {"super", {"parallel.mode=batch", "parallel.reduction=super"}}},
              {kLoss, kSeconds}),
      trained("locality",
              {{"identity", {"tokenizer.order=identity"}},
               {"frequency", {"tokenizer.order=frequency"}},
               {"ulam", {"tokenizer.order=ulam"}}},
              {kLoss, kSeconds}),
      trained("residual", {{"plain", {"model.prior_order=0"}},
                           {"residual-4", {"model.prior_order=4"}},
                           {"residual-6", {"model.prior_order=6"}}}),
      trained(
          "token-order",
          {{"batch", {"parallel.token_order=batch"}}, {"sorted", {"parallel.token_order=sorted"}}},
          {kSeconds}),
      trained("tile-order",
              {{"straight", {"parallel.tile_order=straight"}},
               {"hilbert", {"parallel.tile_order=hilbert"}}},
              {kSeconds}),
      width(),
      compression(),
      baseline(),
      shortlist()};
}

}  // namespace

const std::vector<Ablation>& ablations() {
  static const std::vector<Ablation> all = make_ablations();
  return all;
}

const Ablation& find_ablation(std::string_view name) {
  std::vector<std::string> names;
  for (const Ablation& ablation : ablations()) {
    if (ablation.name == name) return ablation;
    names.push_back(ablation.name);
  }
  throw Error(ErrorKind::kUsage, "NAME", fmt::format("there is no ablation '{}'", name),
              did_you_mean(std::string(name), names,
                           fmt::format("use one of: {}", fmt::join(names, ", "))));
}

}  // namespace cllm
