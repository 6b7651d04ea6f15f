// The presets as training recipes use them: sequences per batch and vocabulary, which a preset of
// the model leaves open. Batches are those of docs and of the peers' published recipes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace cllm::bench {

struct BenchPreset {
  std::string_view name;
  int64_t batch_size;       // B
  int64_t vocabulary_size;  // V
};

inline constexpr BenchPreset kBenchPresets[] = {{"nano", 12, 65},
                                                {"baby", 64, 65},
                                                {"gpt2", 4, 50257},
                                                {"llama-15m", 16, 32000},
                                                {"demo", 32, 4096}};

// The entry of a name. Error (kUsage) with the names for an unknown one.
const BenchPreset& bench_preset(std::string_view name);

// The model of the preset with that vocabulary.
ModelConfig bench_model(const BenchPreset& preset);

}  // namespace cllm::bench
