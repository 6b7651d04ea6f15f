// A trained model's head as integers at 4 to 6 bits, coded where the weights are and in the
// LLL-reduced basis of the lattice of H, the second moments of the hidden states that the head
// multiplies on the run's training text. The points and so the errors are the same in both; bytes
// differ. Usage: bench_integer_coordinates RUN [TOKENS]
#include <fmt/format.h>

#include <algorithm>

#include "crystal/coded_matrix.h"
#include "crystal/coordinates_rig.h"
#include "crystal/hadamard.h"
#include "train/calibration.h"
#include "train/checkpoint.h"
#include "train/corpus.h"
#include "train/run.h"

namespace cllm {
namespace {

constexpr double kDamping = 1e-5;  // as `cllm compress`

void print_line(const char* basis, double bits, size_t weights, const std::string& name,
                double error, const testing::CoordinateCost& cost) {
  fmt::print("{:<10} {:>4} {:<9} {:>10.4g} {:>9.4f} {:>9.4f} {:>9.4f} {:>9.0f}\n", basis, bits,
             name, error, cost.entropy, cost.entropy_by_column, cost.coded,
             cost.coded * static_cast<double>(weights) / 8);
}

void measure(const std::vector<float>& weights, size_t columns, const std::vector<double>& hessian,
             const char* basis, ThreadPool& pool) {
  for (const double bits : {4.0, 5.0, 6.0}) {
    const testing::CoordinateReport report =
        testing::compare_coordinates({.weights = weights,
                                      .rows = weights.size() / columns,
                                      .columns = columns,
                                      .hessian = hessian},
                                     bits, pool);
    print_line(basis, bits, weights.size(), "original", report.error, report.original);
    print_line(basis, bits, weights.size(), "reduced", report.error, report.reduced);
  }
}

int main(int argc, char** argv) {
  if (argc < 2 || argc > 3) {
    fmt::print(stderr, "usage: bench_integer_coordinates RUN [TOKENS]\n");
    return 2;
  }
  Log log(Terminal::detect(2, ColorChoice::kAuto), LogLevel::kNormal, LogFormat::kPlain);
  const RunFolder run = RunFolder::open(argv[1]);
  RunSettings settings;
  SettingsBinder binder;
  settings.bind(binder);
  read_run_settings(run, binder);
  const Corpus corpus = open_corpus(settings, run.data(), Tokenizer::load(run.tokenizer()));
  const LoadedModel model =
      load_model(resolve_model_folder(run.path(), log), coded_matrix_decoder());
  const Engine engine(0);
  const int32_t head = model.model->head().linear().weight_parameter();
  const Calibration calibration =
      calibrate(*model.model, model.weights.data(),
                {corpus.train, argc > 2 ? std::atoll(argv[2]) : int64_t{1} << 16}, engine,
                [&](int32_t parameter) { return parameter == head; }, {});
  std::vector<double> hessian = calibration.moments.hessian(head);
  const Parameter& parameter = model.model->parameters().at(head);
  const auto n = static_cast<size_t>(parameter.shape[1]);
  double trace = 0;
  for (size_t i = 0; i < n; ++i)
    trace += hessian[i * n + i];
  for (size_t i = 0; i < n; ++i)
    hessian[i * n + i] += kDamping * trace / static_cast<double>(n);
  std::vector<float> weights(model.weights.data() + parameter.offset,
                             model.weights.data() + parameter.offset + parameter.count);
  fmt::print("{} [{}, {}], {} tokens; bits per weight, error e^T H e per weight\n", parameter.name,
             parameter.shape[0], n, calibration.tokens);
  fmt::print("{:<10} {:>4} {:<9} {:>10} {:>9} {:>9} {:>9} {:>9}\n", "weights", "bits", "basis",
             "error", "entropy", "by column", "coded", "bytes");
  ThreadPool& pool = engine.context().pool;
  measure(weights, n, hessian, "as trained", pool);
  const RandomRotation rotation(n, 0);
  rotation.apply(weights, pool);
  rotation.apply_both_sides(hessian, pool);
  measure(weights, n, hessian, "rotated", pool);
  return 0;
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  try {
    return cllm::main(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_integer_coordinates: {}\n", error.what());
    return 1;
  }
}
