#include "bench/presets.h"

#include "base/error.h"
#include "base/suggest.h"

namespace cllm::bench {

const BenchPreset& bench_preset(std::string_view name) {
  std::vector<std::string> names;
  for (const BenchPreset& preset : kBenchPresets) {
    if (preset.name == name) return preset;
    names.emplace_back(preset.name);
  }
  throw Error(
      ErrorKind::kUsage, "--preset", fmt::format("unknown preset '{}'", name),
      did_you_mean(std::string(name), names, fmt::format("one of {}", fmt::join(names, ", "))));
}

ModelConfig bench_model(const BenchPreset& preset) {
  ModelConfig config = model_preset(preset.name);
  config.vocabulary_size = preset.vocabulary_size;
  return config;
}

}  // namespace cllm::bench
