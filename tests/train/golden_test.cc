// The engine against numbers from outside: forward, backward and optimizer of a GPT-2 and two
// Llamas, for every kernel table.
#include "golden.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "testing_tables.h"
#include "train/trainer.h"

namespace cllm {
namespace {

using ::cllm::testing::for_each_table;

// What the project promises for fp32, per tensor, see tensor_error.
constexpr double kTolerance = 2e-5;
// Sum of the learning rates of the eight steps.
constexpr double kFurthest = 0.01425;
constexpr int64_t kB = 3, kT = 24;

class Golden : public ::testing::TestWithParam<std::string> {
 protected:
  fs::path folder() const { return golden_folder(GetParam()); }
};

struct Gradients {
  double loss = 0;
  std::vector<float> arena;
};

Gradients run_batch(const LoadedModel& loaded, const ops::Context& context,
                    const std::vector<int32_t>& tokens, const std::vector<int32_t>& targets,
                    const float* weights) {
  Session session(*loaded.model, context, {.B = kB, .T = kT, .S = kT, .training = true});
  Gradients out;
  out.arena.resize(static_cast<size_t>(loaded.model->parameters().arena_floats()));
  const auto count = static_cast<double>(counted(targets));
  out.loss = session.forward_backward({tokens.data(), targets.data(), kB, kT}, weights,
                                      static_cast<float>(1 / count), {}, out.arena.data()) /
             count;
  return out;
}

// Names and errors of all stored tensors; expected under prefix + name.
std::map<std::string, double> stored_errors(const Transformer& model, const float* arena,
                                            const SafetensorsFile& expected,
                                            const std::string& prefix) {
  std::map<std::string, double> errors;
  for (const StoredPiece& piece : stored_pieces(model))
    errors[piece.name] = tensor_error(stored_values(model, piece, arena),
                                      golden_doubles(expected, prefix + piece.name));
  return errors;
}

// ||actual - expected|| / ||expected|| without the worst element in every ten thousand (at least
// one, but no more than half of them); NaN if either holds one.
double norm_error(const std::vector<float>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size() || expected.empty()) return INFINITY;
  std::vector<double> squares;
  double size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    squares.push_back(std::pow(static_cast<double>(actual[i]) - expected[i], 2));
    if (std::isnan(squares.back())) return NAN;
    size += expected[i] * expected[i];
  }
  std::sort(squares.begin(), squares.end());
  const size_t left_out = std::min(squares.size() / 2, 1 + squares.size() / 10'000);
  double difference = 0;
  for (size_t i = 0; i < squares.size() - left_out; ++i)
    difference += squares[i];
  return std::sqrt(difference / size);
}

double worst_of(const std::map<std::string, double>& errors) {
  double worst = 0;
  for (const auto& [name, error] : errors) {
    if (std::isnan(error)) return NAN;
    worst = std::max(worst, error);
  }
  return worst;
}

void expect_below(const std::map<std::string, double>& errors, double tolerance) {
  for (const auto& [name, error] : errors)
    EXPECT_LE(error, tolerance) << name;
}

std::string record_name(const std::string& what, const kernels::Table& table) {
  return what + "_" + table.name;
}

TEST_P(Golden, LogitsOfEverySequence) {
  const LoadedModel loaded = load_model(folder());
  const SafetensorsFile batch(folder() / "batch.safetensors");
  const SafetensorsFile expected(folder() / "expected.safetensors");
  const std::vector<int32_t> tokens = golden_integers(batch, "tokens");
  ASSERT_EQ(tokens.size(), static_cast<size_t>(kB * kT));
  const int64_t V = loaded.model->config().vocabulary_size;
  for_each_table([&](const kernels::Table& table) {
    ThreadPool pool(2);
    const ops::Context context{pool, table};
    Session session(*loaded.model, context, {.B = 1, .T = kT, .S = kT});
    std::vector<float> logits(static_cast<size_t>(kB * kT * V));
    for (int64_t b = 0; b < kB; ++b)
      session.logits({tokens.data() + b * kT, kT}, loaded.weights.data(),
                     logits.data() + b * kT * V);
    const double error = tensor_error(logits, golden_doubles(expected, "logits"));
    EXPECT_LE(error, kTolerance);
    RecordProperty(record_name("logits", table), fmt::format("{:.1e}", error));
  });
}

TEST_P(Golden, LossAndEveryGradient) {
  const LoadedModel loaded = load_model(folder());
  const SafetensorsFile batch(folder() / "batch.safetensors");
  const SafetensorsFile expected(folder() / "expected.safetensors");
  const std::vector<int32_t> targets = golden_integers(batch, "targets");
  ASSERT_LT(counted(targets), kB * kT) << "the batch should hold ignored targets";
  size_t gradients = 0;
  for (const StoredTensor& tensor : expected.tensors())
    gradients += tensor.name.starts_with("grad.");
  EXPECT_EQ(stored_pieces(*loaded.model).size(), gradients) << "a gradient is not compared";
  for_each_table([&](const kernels::Table& table) {
    ThreadPool pool(2);
    const Gradients got = run_batch(loaded, {pool, table}, golden_integers(batch, "tokens"),
                                    targets, loaded.weights.data());
    const double loss_error =
        tensor_error(std::vector<double>{got.loss}, golden_doubles(expected, "loss"));
    EXPECT_LE(loss_error, kTolerance);
    const auto errors = stored_errors(*loaded.model, got.arena.data(), expected, "grad.");
    expect_below(errors, kTolerance);
    RecordProperty(record_name("loss", table), fmt::format("{:.1e}", loss_error));
    RecordProperty(record_name("gradients", table), fmt::format("{:.1e}", worst_of(errors)));
  });
}

// A wrong number in any gradient, and a NaN, must be seen.
TEST_P(Golden, AWrongGradientIsRejected) {
  const LoadedModel loaded = load_model(folder());
  const SafetensorsFile batch(folder() / "batch.safetensors");
  const SafetensorsFile expected(folder() / "expected.safetensors");
  ThreadPool pool(1);
  const Gradients got =
      run_batch(loaded, {pool, kernels::chosen_table()}, golden_integers(batch, "tokens"),
                golden_integers(batch, "targets"), loaded.weights.data());
  for (const Parameter& parameter : loaded.model->parameters().all()) {
    std::vector<float> corrupted = got.arena;
    const auto begin = corrupted.begin() + parameter.offset;
    *std::max_element(begin, begin + parameter.count,
                      [](float a, float b) { return std::abs(a) < std::abs(b); }) *= 1.0001f;
    EXPECT_GT(worst_of(stored_errors(*loaded.model, corrupted.data(), expected, "grad.")),
              kTolerance)
        << parameter.name;
    *begin = NAN;
    EXPECT_FALSE(worst_of(stored_errors(*loaded.model, corrupted.data(), expected, "grad.")) <=
                 kTolerance)
        << parameter.name;
  }
}

// The optimizer settings of the trajectory, through the product's own types.
RunSettings trajectory_settings(const nlohmann::json& json) {
  RunSettings settings;
  const nlohmann::json& optimizer = json.at("optimizer");
  settings.train.steps = static_cast<int64_t>(json.at("steps").size());
  settings.train.clip_norm = optimizer.at("clip_grad_norm");
  settings.optimizer.beta1 = optimizer.at("betas").at(0);
  settings.optimizer.beta2 = optimizer.at("betas").at(1);
  settings.optimizer.epsilon = optimizer.at("eps");
  settings.optimizer.weight_decay = optimizer.at("weight_decay_on_matrices");
  settings.optimizer.learning_rate = 3e-3;
  settings.schedule.lr_scheduler = optim::ScheduleKind::kCosine;
  settings.schedule.warmup_steps = 2;
  settings.schedule.min_learning_rate = 3e-4;
  return settings;
}

struct Trajectory {
  double rate_error = 0, loss_error = 0, norm_error = 0;  // relative, worst of the steps
  std::vector<float> weights;
};

void note(double& worst, double actual, const nlohmann::json& expected) {
  const double error = std::abs(actual / expected.get<double>() - 1);
  if (!(error <= worst)) worst = error;
}

Trajectory follow(const LoadedModel& loaded, const ops::Context& context,
                  const nlohmann::json& json, const SafetensorsFile& data) {
  const RunSettings settings = trajectory_settings(json);
  const int64_t floats = loaded.model->parameters().arena_floats();
  const OptimizerSettings& o = settings.optimizer;
  const optim::AdamW adamw{o.beta1, o.beta2, o.epsilon, o.weight_decay};
  std::vector<optim::ParameterSpan> spans;
  for (const Parameter& parameter : loaded.model->parameters().all())
    spans.push_back({parameter.offset, parameter.count, parameter.is_matrix()});
  const std::vector<int32_t> tokens = golden_integers(data, "tokens");
  const std::vector<int32_t> targets = golden_integers(data, "targets");
  std::vector<float> first(static_cast<size_t>(floats)), second(first);
  std::vector<double> partials(static_cast<size_t>(optim::norm_partials(floats)));
  Trajectory out;
  out.weights.assign(loaded.weights.data(), loaded.weights.data() + floats);
  for (int64_t step = 0; step < settings.train.steps; ++step) {
    const auto slice = [&](const std::vector<int32_t>& all) {
      return std::vector<int32_t>(all.begin() + step * kB * kT, all.begin() + (step + 1) * kB * kT);
    };
    const Gradients got =
        run_batch(loaded, context, slice(tokens), slice(targets), out.weights.data());
    const double norm = optim::gradient_norm(context, floats, got.arena.data(), partials.data());
    const double rate = optim::learning_rate(settings.learning_rate_schedule(), step);
    optim::adamw_step(context, adamw, spans, step + 1, rate,
                      optim::clip_scale(norm, settings.train.clip_norm), got.arena.data(),
                      out.weights.data(), first.data(), second.data());
    const nlohmann::json& expected = json.at("steps").at(static_cast<size_t>(step));
    note(out.rate_error, rate, expected.at("lr"));
    note(out.loss_error, got.loss, expected.at("loss"));
    note(out.norm_error, norm, expected.at("grad_norm"));
  }
  return out;
}

// GPT-2's key bias adds the same number to all scores of a query, so softmax ignores it: its exact
// gradient is zero and what fp32 computes is rounding, which Adam then scales up.
template <class T>
std::vector<T> without_key_bias(const StoredPiece& piece, std::vector<T> values) {
  if (!piece.name.ends_with("attn.c_attn.bias")) return values;
  const auto third = static_cast<ptrdiff_t>(values.size() / 3);
  values.erase(values.begin() + third, values.begin() + 2 * third);
  return values;
}

// Adam divides a gradient by its own size, so an element whose gradient is near rounding (a
// ten-thousandth of its tensor's largest) moves by a learning rate times a number that fp32 knows
// to a percent only. Such elements are few: one of the 16,384 of a matrix makes 97 to 99.9 % of the
// norm of its error in every kernel table. So the norm without the very worst is held to the
// promise, each single element to a hundredth of the way it could have gone (the sum of the
// learning rates).
std::map<std::string, double> weight_errors(const Transformer& model, const float* weights,
                                            const SafetensorsFile& expected) {
  std::map<std::string, double> errors;
  for (const StoredPiece& piece : stored_pieces(model)) {
    const std::vector<float> got = stored_values(model, piece, weights);
    const std::vector<double> truth = golden_doubles(expected, "param." + piece.name);
    EXPECT_TRUE(testing::all_close(got, truth, kFurthest / 100, 0)) << piece.name;
    errors[piece.name] = norm_error(without_key_bias(piece, got), without_key_bias(piece, truth));
  }
  return errors;
}

TEST_P(Golden, EightOptimizerSteps) {
  const LoadedModel loaded = load_model(folder());
  const SafetensorsFile data(folder() / "trajectory.safetensors");
  const auto json = nlohmann::json::parse(read_file(folder() / "trajectory.json"));
  ASSERT_EQ(json.at("steps").size(), 8u);
  for_each_table([&](const kernels::Table& table) {
    ThreadPool pool(2);
    const Trajectory got = follow(loaded, {pool, table}, json, data);
    EXPECT_LE(got.rate_error, 1e-15);
    EXPECT_LE(got.loss_error, kTolerance);
    EXPECT_LE(got.norm_error, kTolerance);
    const auto errors = weight_errors(*loaded.model, got.weights.data(), data);
    expect_below(errors, kTolerance);
    RecordProperty(record_name("loss", table), fmt::format("{:.1e}", got.loss_error));
    RecordProperty(record_name("norm", table), fmt::format("{:.1e}", got.norm_error));
    RecordProperty(record_name("parameters", table), fmt::format("{:.1e}", worst_of(errors)));
  });
}

INSTANTIATE_TEST_SUITE_P(Models, Golden, ::testing::ValuesIn(kGoldenModels), [](const auto& model) {
  std::string name = model.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

}  // namespace
}  // namespace cllm
