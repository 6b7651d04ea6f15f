#include "train/gradcheck.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "crystal/ngram_prior.h"

namespace cllm {
namespace {

// The largest step, as a share of the parameter's own length, and how often it is halved.
constexpr double kLargestStep = 0.25;
constexpr int kSteps = 10;
// Slopes of this size are judged by their absolute error: a gradient that is zero in exact
// arithmetic comes out as rounding, below 1e-7.
constexpr double kLeastSlope = 2e-5;

int64_t checked_length(const ModelConfig& config, int64_t T) {
  config.validate();
  if (T < 1 || T > config.context_length)
    throw Error(ErrorKind::kUsage, "tokens", fmt::format("{} tokens per sequence", T),
                fmt::format("use 1 to {}, the model's context", config.context_length));
  return T;
}

// Every second one of a text of 2N.
std::vector<int32_t> random_tokens(const ModelConfig& config, int64_t N, uint64_t first,
                                   uint64_t seed) {
  const Philox source(seed, RandomStream::kTest);
  std::vector<int32_t> tokens;
  for (uint64_t n = 0; n < static_cast<uint64_t>(N); ++n)
    tokens.push_back(static_cast<int32_t>(
        source.below(static_cast<uint64_t>(config.vocabulary_size), 0, 2 * n + first)));
  return tokens;
}

// Counted in a text in which every target follows its token.
std::shared_ptr<const LogitPrior> make_prior(const ModelConfig& config,
                                             const std::vector<int32_t>& tokens,
                                             const std::vector<int32_t>& targets) {
  if (config.prior_order == 0) return nullptr;
  std::vector<Token> text;
  for (size_t n = 0; n < tokens.size(); ++n)
    text.insert(text.end(), {tokens[n], targets[n]});
  return std::make_shared<const NgramPrior>(
      count_ngrams(text, config.vocabulary_size, static_cast<int>(config.prior_order)), 0, true);
}

double length(const float* values, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i)
    sum += static_cast<double>(values[i]) * static_cast<double>(values[i]);
  return std::sqrt(sum);
}

double inner_product(const float* a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < b.size(); ++i)
    sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

// Central differences at steps h, h/2, h/4, ... have errors in h^2, h^4, ...: (4 D(h/2) - D(h)) / 3
// removes the first. Returns the one of these that agrees best with its neighbour.
double extrapolate(const std::vector<double>& differences) {
  std::vector<double> better;
  for (size_t i = 0; i + 1 < differences.size(); ++i)
    better.push_back((4 * differences[i + 1] - differences[i]) / 3);
  size_t best = 0;
  const auto disagreement = [&](size_t i) { return std::abs(better[i + 1] - better[i]); };
  for (size_t i = 1; i + 1 < better.size(); ++i)
    if (disagreement(i) < disagreement(best)) best = i;
  return (better[best] + better[best + 1]) / 2;
}

}  // namespace

GradientChecker::GradientChecker(const ModelConfig& config, const ops::Context& context, int64_t B,
                                 int64_t T, uint64_t seed,
                                 std::shared_ptr<const nn::CodeTable> codes)
    : B_(B),
      T_(checked_length(config, T)),
      seed_(seed),
      tokens_(random_tokens(config, B * T, 0, seed)),
      targets_(random_tokens(config, B * T, 1, seed)),
      model_(config, std::move(codes), make_prior(config, tokens_, targets_)),
      session_(model_, context, {.B = B, .T = T, .S = T, .training = true}),
      weights_(model_.parameters().arena_floats(), "the weights"),
      gradients_(model_.parameters().arena_floats(), "the gradients") {
  fill_weights(seed);
}

// Matrices keep the size of what passes through them, so that every path of the model matters;
// gains lie around one, biases around zero.
void GradientChecker::fill_weights(uint64_t seed) {
  const Philox source(seed, RandomStream::kInit);
  for (size_t index = 0; index < model_.parameters().all().size(); ++index) {
    const Parameter& parameter = model_.parameters().all()[index];
    const double mean = parameter.initial == Initial::kOne ? 1 : 0;
    const double deviation =
        parameter.is_matrix() ? 1 / std::sqrt(static_cast<double>(parameter.shape.back())) : 0.2;
    for (int64_t i = 0; i < parameter.count; ++i)
      weights_.data()[parameter.offset + i] =
          static_cast<float>(mean + deviation * source.normal(index, static_cast<uint64_t>(i)));
  }
}

// Mean loss of the batch, with the same dropout every time, as training has it.
double GradientChecker::loss() {
  const Batch batch{tokens_.data(), targets_.data(), B_, T_};
  const ModelConfig& config = model_.config();
  const bool trains_otherwise = config.dropout > 0 ||
                                (config.ngram_order > 0 && config.ngram_dropout > 0) ||
                                config.prior_order > 0;
  const double sum = trains_otherwise ? session_.forward_backward(batch, weights_.data(), 1.0f,
                                                                  {seed_, 0}, gradients_.data())
                                      : session_.evaluate(batch, weights_.data());
  return sum / static_cast<double>(B_ * T_);
}

std::vector<float> GradientChecker::gradient() {
  session_.clear_gradients(gradients_.data());
  session_.forward_backward({tokens_.data(), targets_.data(), B_, T_}, weights_.data(),
                            1.0f / static_cast<float>(B_ * T_), {seed_, 0}, gradients_.data());
  return {gradients_.data(), gradients_.data() + gradients_.floats()};
}

// Derivative of the loss along `direction` at the weights, which are the same afterwards.
double GradientChecker::slope(const Parameter& parameter, const std::vector<float>& direction) {
  float* weights = weights_.data() + parameter.offset;
  const std::vector<float> original(weights, weights + parameter.count);
  const auto loss_at = [&](double step) {
    for (size_t i = 0; i < direction.size(); ++i)
      weights[i] = static_cast<float>(static_cast<double>(original[i]) +
                                      step * static_cast<double>(direction[i]));
    return loss();
  };
  std::vector<double> differences;
  double step = kLargestStep * length(original.data(), parameter.count);
  for (int i = 0; i < kSteps; ++i, step /= 2)
    differences.push_back((loss_at(step) - loss_at(-step)) / (2 * step));
  std::copy(original.begin(), original.end(), weights);
  return extrapolate(differences);
}

// A zero gradient has no direction; then both are random.
std::vector<float> GradientChecker::unit_direction(const Parameter& parameter,
                                                   const float* gradient,
                                                   GradcheckDirection direction) const {
  std::vector<float> values(gradient, gradient + parameter.count);
  if (direction == GradcheckDirection::kRandom || length(gradient, parameter.count) == 0) {
    const Philox source(seed_, RandomStream::kTest);
    const auto stream = static_cast<uint64_t>(direction) + 1;
    for (size_t i = 0; i < values.size(); ++i)
      values[i] =
          static_cast<float>(source.normal(stream, static_cast<uint64_t>(parameter.offset) + i));
  }
  const double size = length(values.data(), parameter.count);
  for (float& value : values)
    value = static_cast<float>(static_cast<double>(value) / size);
  return values;
}

GradcheckRow GradientChecker::measure(const Parameter& parameter, const float* gradient,
                                      GradcheckDirection direction) {
  const std::vector<float> unit = unit_direction(parameter, gradient, direction);
  GradcheckRow row{.parameter = parameter.name, .direction = direction};
  row.analytic = inner_product(gradient, unit);
  row.numeric = slope(parameter, unit);
  // A gradient of this length has this slope along a typical random direction.
  const double typical =
      length(gradient, parameter.count) / std::sqrt(static_cast<double>(parameter.count));
  row.error = std::abs(row.numeric - row.analytic) /
              std::max({std::abs(row.analytic), typical, kLeastSlope});
  row.ok = row.error <= kGradcheckTolerance;
  return row;
}

GradcheckReport GradientChecker::check(const std::vector<float>& gradient) {
  GradcheckReport report{.ok = true};
  for (const Parameter& parameter : model_.parameters().all()) {
    for (const auto direction : {GradcheckDirection::kGradient, GradcheckDirection::kRandom}) {
      report.rows.push_back(measure(parameter, gradient.data() + parameter.offset, direction));
      report.ok = report.ok && report.rows.back().ok;
    }
  }
  return report;
}

GradcheckReport gradcheck(const ModelConfig& config, const ops::Context& context, int64_t B,
                          int64_t T, uint64_t seed, std::shared_ptr<const nn::CodeTable> codes) {
  GradientChecker checker(config, context, B, T, seed, std::move(codes));
  return checker.check(checker.gradient());
}

}  // namespace cllm
