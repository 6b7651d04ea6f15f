// Where compression loses bits: for every linear layer of a trained model, the rate of each method
// above the bound of information theory at the error that it leaves, measured with the moments of
// the calibration text and again with those of a held-out text; and the Gram-Schmidt profile of the
// lattices that are searched. Usage: bench_compression_gap RUN CALIBRATION HELD_OUT BITS... ; texts
// are files. Rows of a matrix are sampled, and so are texts (kTokens of each, from the start).
#include <fmt/format.h>

#include <cstdlib>
#include <map>
#include <span>

#include "base/error.h"
#include "crystal/cholesky.h"
#include "crystal/coded_matrix.h"
#include "crystal/column_lattice.h"
#include "crystal/compress_matrix.h"
#include "crystal/gap_rig.h"
#include "crystal/hadamard.h"
#include "crystal/input_moments.h"
#include "crystal/quantise_metric.h"
#include "crystal/symmetric_eigen.h"
#include "model/engine.h"
#include "model/model_folder.h"
#include "model/session.h"
#include "train/checkpoint.h"

namespace cllm {
namespace {

constexpr int64_t kTokens = 1 << 16;
constexpr int64_t kRows = 192;
constexpr size_t kBlock = 64, kWidth = 64;
constexpr QuantiseMethod kMethods[] = {QuantiseMethod::kRtn, QuantiseMethod::kGptq,
                                       QuantiseMethod::kLllBabai, QuantiseMethod::kLllKbest};

InputMoments moments_of(const LoadedModel& model, const fs::path& text, const Engine& engine) {
  std::vector<Token> tokens;
  model.tokenizer->encode(read_file(text), tokens);
  const int64_t T = model.model->config().context_length;
  Session session(*model.model, engine.context(), {.B = 1, .T = T, .S = T, .training = false});
  InputMoments moments(*model.model, engine.context());
  const nn::InputObserver observer = [&](int32_t parameter, int64_t N, int64_t in, auto x) {
    moments.add(parameter, N, in, x);
  };
  const int64_t windows = std::min<int64_t>(kTokens, std::ssize(tokens) - 1) / T;
  if (windows < 1)
    throw Error(ErrorKind::kData, text.string(), fmt::format("has fewer than {} tokens", T + 1),
                "give more text");
  for (int64_t i = 0; i < windows; ++i) {
    const int32_t* const begin = tokens.data() + i * T;
    session.evaluate({begin, begin + 1, 1, T}, model.weights.data(), &observer);
  }
  return moments;
}

// A layer as all methods get it.
struct Layer {
  std::string name;
  size_t rows = 0, columns = 0;
  RotatedMatrix matrix;          // with H of the calibration
  std::vector<double> held_out;  // H of the other text, rotated alike
  std::vector<double> eigenvalues, held_out_eigenvalues;
  double variance = 0;  // of the weights
};

// Evenly spread rows.
std::vector<float> sampled(const Parameter& parameter, const float* weights, int64_t rows) {
  const int64_t columns = parameter.shape[1];
  std::vector<float> result;
  for (int64_t i = 0; i < rows; ++i) {
    const float* const row = weights + parameter.offset + i * parameter.shape[0] / rows * columns;
    result.insert(result.end(), row, row + columns);
  }
  return result;
}

Layer make_layer(const Parameter& parameter, const LoadedModel& model, int32_t index,
                 const InputMoments& calibration, const InputMoments& held_out, ThreadPool& pool) {
  const auto seed = static_cast<uint64_t>(index);
  Layer layer;
  layer.name = parameter.name;
  const int64_t rows = std::min(kRows, parameter.shape[0]);
  layer.rows = static_cast<size_t>(rows);
  layer.columns = static_cast<size_t>(parameter.shape[1]);
  const std::vector<float> weights = sampled(parameter, model.weights.data(), rows);
  for (const float w : weights)
    layer.variance += static_cast<double>(w) * w / static_cast<double>(weights.size());
  const std::vector<double> first = calibration.hessian(index), second = held_out.hessian(index);
  layer.matrix = rotate_matrix(
      {.weights = weights, .rows = layer.rows, .columns = layer.columns, .hessian = first}, seed,
      pool);
  layer.held_out = second;
  RandomRotation(layer.columns, seed).apply_both_sides(layer.held_out, pool);
  layer.eigenvalues = symmetric_eigen(layer.matrix.hessian, layer.columns, pool).values;
  layer.held_out_eigenvalues = symmetric_eigen(layer.held_out, layer.columns, pool).values;
  return layer;
}

// Mean over the weights of the rows' squared error in the measure of H.
double error_under(const std::vector<double>& hessian, const Layer& layer,
                   const Quantised& quantised) {
  const size_t n = layer.columns;
  std::vector<float> values(layer.matrix.weights.size());
  dequantise(quantised.integers, quantised.scales, values);
  double sum = 0;
  for (size_t row = 0; row < layer.rows; ++row)
    for (size_t i = 0; i < n; ++i) {
      double product = 0;
      for (size_t j = 0; j < n; ++j)
        product += hessian[i * n + j] * (static_cast<double>(layer.matrix.weights[row * n + j]) -
                                         static_cast<double>(values[row * n + j]));
      sum += product * (static_cast<double>(layer.matrix.weights[row * n + i]) -
                        static_cast<double>(values[row * n + i]));
    }
  return sum / static_cast<double>(layer.rows * n);
}

double bound(std::vector<double> eigenvalues, double error, double variance) {
  for (double& value : eigenvalues)
    value = std::max(value, 0.0);
  return testing::rate_bound(eigenvalues, error / variance);
}

// What the lattice of a layer looks like at a step.
struct Shape {
  double above = 0;  // share of the directions whose eigenvalue is above the water level
  double plain = 0, reduced = 0;  // bits that the nearest plane loses to an even profile
};

double profile_loss(const QuantiseMetric& metric, bool reduced) {
  double sum = 0;
  for (size_t first = 0; first < metric.columns; first += kBlock) {
    const size_t size = std::min(kBlock, metric.columns - first);
    const ColumnLattice lattice(metric.factor, metric.columns, first, size, reduced);
    double mean = 0, logarithm = 0;
    for (const double norm : lattice.profile()) {
      mean += norm / static_cast<double>(size);
      logarithm += std::log2(norm) / static_cast<double>(size);
    }
    sum += (std::log2(mean) - logarithm) / 2 * static_cast<double>(size);
  }
  return sum / static_cast<double>(metric.columns);
}

Shape shape_of(const Layer& layer, const QuantiseProblem& problem, double step, ThreadPool& pool) {
  const QuantiseMetric metric = make_metric(problem, {&step, 1}, {}, pool);
  double trace = 0;
  for (const double value : layer.eigenvalues)
    trace += value;
  const double water = metric.mu * trace / static_cast<double>(layer.columns);
  const auto above = std::ranges::count_if(layer.eigenvalues, [&](double x) { return x > water; });
  return {static_cast<double>(above) / static_cast<double>(layer.columns),
          profile_loss(metric, false), profile_loss(metric, true)};
}

// Sums over layers, weighted by their weights.
struct Total {
  double weights = 0, own = 0, held_out = 0;
};

void measure(const Layer& layer, double bits, ThreadPool& pool,
             std::map<QuantiseMethod, Total>& totals) {
  const QuantiseProblem problem{.weights = layer.matrix.weights,
                                .rows = layer.rows,
                                .columns = layer.columns,
                                .hessian = layer.matrix.hessian};
  std::string line;
  for (const QuantiseMethod method : kMethods) {
    const QuantiseOptions options{.method = method, .block = kBlock, .width = kWidth};
    const double step = step_for_entropy(problem, bits, options, pool, layer.rows);
    if (method == kMethods[0]) {
      const Shape shape = shape_of(layer, problem, step, pool);
      line = fmt::format("{:<34} {:>5} {:>5.0f} %  {:.3f} {:.3f} ", layer.name, layer.columns,
                         100 * shape.above, shape.plain, shape.reduced);
    }
    const Quantised found = quantise(problem, {&step, 1}, options, pool);
    const double rate = empirical_entropy(found.integers);
    const double own =
        rate -
        bound(layer.eigenvalues, error_under(layer.matrix.hessian, layer, found), layer.variance);
    const double held_out = rate - bound(layer.held_out_eigenvalues,
                                         error_under(layer.held_out, layer, found), layer.variance);
    line += fmt::format("  {:.3f} {:.3f}", own, held_out);
    Total& total = totals[method];
    const auto weights = static_cast<double>(layer.columns * layer.rows);
    total.weights += weights;
    total.own += own * weights;
    total.held_out += held_out * weights;
  }
  fmt::print("{}\n", line);
}

void run(const fs::path& model_folder, const fs::path& calibration, const fs::path& held_out,
         std::span<char*> rates) {
  Log log(Terminal::detect(2, ColorChoice::kNever), LogLevel::kQuiet, LogFormat::kPlain);
  const Engine engine(0);
  ThreadPool& pool = engine.context().pool;
  const LoadedModel model =
      load_model(resolve_model_folder(model_folder, log), coded_matrix_decoder());
  const InputMoments first = moments_of(model, calibration, engine);
  const InputMoments second = moments_of(model, held_out, engine);
  std::vector<Layer> layers;
  for (const nn::Linear* linear : model.model->linears()) {
    const int32_t index = linear->weight_parameter();
    if (first.hessian(index).empty()) continue;
    layers.push_back(
        make_layer(model.model->parameters().at(index), model, index, first, second, pool));
  }
  for (const char* rate : rates) {
    const double bits = std::atof(rate);
    fmt::print(
        "\n{} bits. Directions above the water; bits lost by the profile, plain and reduced; bits "
        "above the bound, on the calibration and held out:\n{:<34} {:>5} {:>7}  {:<12}",
        bits, "matrix", "n", "above", "profile");
    for (const QuantiseMethod method : kMethods)
      fmt::print("  {:<11}", quantise_method_name(method));
    fmt::print("\n");
    std::map<QuantiseMethod, Total> totals;
    for (const Layer& layer : layers)
      measure(layer, bits, pool, totals);
    fmt::print("all, by sampled weights:");
    for (const QuantiseMethod method : kMethods)
      fmt::print("  {} {:.3f} {:.3f}", quantise_method_name(method),
                 totals[method].own / totals[method].weights,
                 totals[method].held_out / totals[method].weights);
    fmt::print("\n");
  }
}

}  // namespace
}  // namespace cllm

int main(int count, char** words) try {
  if (count < 5) {
    fmt::print(stderr, "usage: bench_compression_gap RUN CALIBRATION HELD_OUT BITS...\n");
    return 2;
  }
  cllm::run(words[1], words[2], words[3], std::span(words, static_cast<size_t>(count)).subspan(4));
} catch (const std::exception& error) {
  fmt::print(stderr, "bench_compression_gap: {}\n", error.what());
  return 1;
}
