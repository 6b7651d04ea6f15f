#include "bench/peer_job.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"

namespace cllm::bench {
namespace {

// The shapes of nanoGPT's recipes: tiny Shakespeare by characters (65 of them), and GPT-2 with its
// vocabulary rounded up to a multiple of 64.
struct Recipe {
  const char* preset;
  int64_t batch_size, vocabulary_size;
};
constexpr Recipe kRecipes[] = {{"nano", 12, 65}, {"baby", 64, 65}, {"gpt2", 4, 50304}};

constexpr int64_t kBatches = 64;  // of different tokens

const Recipe& recipe_of(const std::string& preset) {
  for (const Recipe& recipe : kRecipes)
    if (recipe.preset == preset) return recipe;
  throw Error(ErrorKind::kUsage, "--preset", fmt::format("'{}' has no peer", preset),
              "the peer trains nano, baby and gpt2");
}

void set(SettingsBinder& binder, const std::string& key, const std::string& value,
         const std::string& origin) {
  binder.set(key, value, origin, SettingSource::kFlag);
}

}  // namespace

RunSettings peer_settings(const PeerJob& job) {
  const Recipe& recipe = recipe_of(job.preset);
  RunSettings settings;
  settings.model = model_preset(job.preset);
  settings.model.vocabulary_size = recipe.vocabulary_size;
  settings.train.batch_size = recipe.batch_size;
  settings.optimizer.learning_rate = 6e-4;
  settings.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
  settings.schedule.warmup_steps = 0;
  settings.sample.every = 0;
  SettingsBinder binder;
  settings.bind(binder);
  if (job.batch_size > 0)
    set(binder, "train.batch_size", std::to_string(job.batch_size), "--batch-size");
  if (job.context_length > 0)
    set(binder, "model.context_length", std::to_string(job.context_length), "--context-length");
  set(binder, "model.dropout", fmt::format("{}", job.dropout), "--dropout");
  if (job.precision != "fp32") set(binder, "precision.mode", job.precision, "--precision");
  return settings;
}

TokenDataset peer_tokens(const RunSettings& settings) {
  const int64_t V = settings.model.vocabulary_size;
  const Philox source(static_cast<uint64_t>(settings.train.seed), RandomStream::kTest);
  const int64_t count = kBatches * settings.train.batch_size * settings.model.context_length + 1;
  std::vector<Token> tokens(static_cast<size_t>(count));
  const double scale = std::log(static_cast<double>(V) + 1);
  for (size_t i = 0; i < tokens.size(); ++i) {
    const double rank = std::exp(scale * source.uniform(0, i)) - 1;
    tokens[i] = static_cast<Token>(std::min(static_cast<int64_t>(rank), V - 1));
  }
  return TokenDataset::from_tokens(std::move(tokens), static_cast<int>(V));
}

PeerBatches::PeerBatches(const RunSettings& settings, TokenView tokens)
    : loader_(tokens, settings.train.batch_size, settings.model.context_length,
              static_cast<uint64_t>(settings.train.seed)),
      elements_(settings.train.batch_size * settings.model.context_length) {}

void PeerBatches::write(const fs::path& path, int64_t steps) {
  std::vector<int32_t> batch(static_cast<size_t>(2 * elements_));
  AtomicFile file(path);
  for (int64_t step = 0; step < steps; ++step) {
    loader_.next(batch.data(), batch.data() + elements_);
    file.write(batch.data(), batch.size() * sizeof(int32_t));
  }
  file.commit();
}

nlohmann::json peer_instructions(const PeerJob& job, const RunSettings& settings,
                                 const fs::path& model_folder) {
  const OptimizerSettings& optimizer = settings.optimizer;
  return {{"model_folder", model_folder.string()},
          {"batch_size", settings.train.batch_size},
          {"context_length", settings.model.context_length},
          {"dropout", settings.model.dropout},
          {"precision", job.precision},
          {"seed", settings.train.seed},
          {"learning_rate", optimizer.learning_rate},
          {"beta1", optimizer.beta1},
          {"beta2", optimizer.beta2},
          {"epsilon", optimizer.epsilon},
          {"weight_decay", optimizer.weight_decay},
          {"clip_norm", settings.train.clip_norm}};
}

}  // namespace cllm::bench
