#include "bench/staircase_stairs.h"

namespace cllm::bench {
namespace {

// One step up: a name, a claim, and what it changes in the stair below.
struct Step {
  std::string_view name, claim;
  void (*add)(Features&);
};

constexpr Step kSteps[] = {
    {"the start", "", [](Features&) {}},
    {"reused buffers", "1.05-1.10x (5, 12, 38); 2-3x (139)",
     [](Features& f) { f.reused_buffers = true; }},
    {"batched embedding gather", "1.1-1.2x (12, 27, 40)", [](Features& f) { f.gathered = true; }},
    {"SIMD dot products", "4-8x (6, 12, 28, 41, 88)", [](Features& f) { f.simd = true; }},
    {"true batching", "5-8x (137); 5-10x (146)", [](Features& f) { f.batched = true; }},
    {"packed GEMM", "10-100x (25); 1.2-1.3x (102)", [](Features& f) { f.packed = true; }},
    {"threads by batch shards", "4-8x on 8 cores (14, 34)",
     [](Features& f) { f.threads = StairThreads::kShards; }},
    {"threads inside operations", "", [](Features& f) { f.threads = StairThreads::kOperations; }},
    {"fused kernels", "no figure (153)", [](Features& f) { f.fused = true; }},
    {"flash attention", "no figure (155)", [](Features& f) { f.engine = true; }},
    {"bf16", "2-3x (78)", [](Features& f) { f.bf16 = true; }},
    {"gradient accumulation", "no figure (70, 152)", [](Features& f) { f.accumulation = 4; }},
};

ModelConfig gpt2_like(int64_t width, int64_t layers, int64_t heads, int64_t vocabulary,
                      int64_t context) {
  ModelConfig config;
  config.width = width;
  config.layers = layers;
  config.heads = heads;
  config.vocabulary_size = vocabulary;
  config.context_length = context;
  return config;
}

}  // namespace

const std::vector<Stair>& stairs() {
  static const std::vector<Stair> all = [] {
    std::vector<Stair> list;
    Features features;
    for (const Step& step : kSteps) {
      step.add(features);
      list.push_back({step.name, step.claim, features});
    }
    return list;
  }();
  return all;
}

std::vector<StairShape> stair_shapes() {
  // The documents give the second trainer's batch, not its sequences: 64 tokens are our choice.
  std::vector<StairShape> shapes = {
      {"c-128",
       "the C trainer: 128 wide, 2 layers, 4 heads, MLP 512, V 5000, batch 4 x 32; its own program "
       "ran at about 700 tokens/s and changed no parameter",
       gpt2_like(128, 2, 4, 5000, 32), 4, 4},
      {"cpp-384-4",
       "the C++ trainer: 384 wide, 4 layers, 6 heads, V 16000, batch 32 x 64; its own program ran "
       "at 156-239 tokens/s, forward only, and hoped for 1,500-2,000 (135, 136)",
       gpt2_like(384, 4, 6, 16000, 64), 32, 2},
      {"cpp-384-6", "the C++ trainer: 384 wide, 6 layers, 6 heads, V 16000, batch 32 x 64",
       gpt2_like(384, 6, 6, 16000, 64), 32, 2},
      {"baby", "preset baby: 384 wide, 6 layers, 6 heads, V 65, batch 64 x 256",
       model_preset("baby"), 64, 2}};
  shapes.back().model.vocabulary_size = 65;
  return shapes;
}

}  // namespace cllm::bench
