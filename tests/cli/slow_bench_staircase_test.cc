// cllm bench staircase as a program; what it measures is tested in tests/bench.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "cli/program.h"

namespace cllm::cli {
namespace {

using ::testing::HasSubstr;

TEST(BenchStaircase, PrintsEveryStairOfTheFirstTrainer) {
  const auto run = run_program({"bench", "staircase", "--rounds", "1", "--steps", "1", "--threads",
                                "2", "--json", "--quiet"});
  ASSERT_EQ(run.code, 0) << run.err;
  const auto json = nlohmann::json::parse(run.out);
  EXPECT_EQ(json.at("benchmark"), "staircase");
  ASSERT_GE(json.at("results").size(), 11u);
  for (const auto& result : json.at("results")) {
    EXPECT_EQ(result.at("unit"), "tokens/s");
    EXPECT_GT(result.at("median").get<double>(), 0);
    EXPECT_EQ(result.at("check_losses").size(), 2u);
  }
}

TEST(BenchStaircase, SuggestsTheShapeThatWasMeant) {
  const auto run = run_program({"bench", "staircase", "--shape", "cpp-384-5"});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err, HasSubstr("did you mean 'cpp-384-4'"));
}

}  // namespace
}  // namespace cllm::cli
