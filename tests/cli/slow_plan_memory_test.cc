// The memory that a run really takes is what `cllm plan` told.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOtherAllocator = true;
#else
constexpr bool kOtherAllocator = false;
#endif

struct Shape {
  const char* preset;
  const char* batch_size;
  const char* mode;
};

class PlanMemory : public TinyRun, public testing::WithParamInterface<Shape> {};

std::string name_of(const testing::TestParamInfo<Shape>& info) {
  return fmt::format("{}_{}_{}", info.param.preset, info.param.batch_size, info.param.mode);
}

// Batches as large as a slow machine can bear.
INSTANTIATE_TEST_SUITE_P(Presets, PlanMemory,
                         testing::Values(Shape{"nano", "12", "fp32"}, Shape{"nano", "12", "bf16"},
                                         Shape{"nano", "64", "fp16"}, Shape{"demo", "8", "fp32"},
                                         Shape{"demo", "8", "bf16"}, Shape{"baby", "8", "fp32"},
                                         Shape{"baby", "8", "bf16"}),
                         name_of);

// How many pages of a library's file are resident is the system's business.
constexpr double kMapped = 2 << 20;

// Two steps with everything that takes memory: an evaluation, samples, a checkpoint.
TEST_P(PlanMemory, IsWhatARunTakes) {
  if (kOtherAllocator) GTEST_SKIP() << "a sanitizer takes memory of its own";
  const Shape shape = GetParam();
  write_file(at("text.txt"), small_text(4000));
  for (const char* level : {"none", "cheap", "block"}) {
    const Words words =
        Words{"--data",         "text.txt", "--preset", shape.preset, "--batch-size",
              shape.batch_size, "--steps",  "2",        "--threads",  "4"} +
        set({std::string("precision.mode=") + shape.mode, std::string("train.recompute=") + level,
             "sample.every=1", "evaluation.windows=64", "tokenizer.kind=char"});
    const ProgramResult planned = cllm(Words{"plan", "--no-timing", "--json"} + words);
    ASSERT_EQ(planned.code, 0) << planned.err;
    const nlohmann::json memory = nlohmann::json::parse(planned.out).at("memory");
    const double plan = memory.at("total").get<double>() + memory.at("program").get<double>();
    const ProgramResult trained =
        cllm(Words{"train", "--out", std::string("run-") + level} + words);
    ASSERT_EQ(trained.code, 0) << trained.err;
    const auto peak = static_cast<double>(trained.peak_bytes);
    EXPECT_LE(peak, 1.05 * plan + kMapped) << level << ": " << memory.dump();
    EXPECT_GE(peak, 0.95 * plan - kMapped) << level << ": " << memory.dump();
    RecordProperty(std::string("peak_over_plan_") + level, std::to_string(peak / plan));
  }
}

}  // namespace
}  // namespace cllm::cli
