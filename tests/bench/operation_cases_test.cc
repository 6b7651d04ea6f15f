#include "bench/operation_cases.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kernels/table.h"

namespace cllm::bench {
namespace {

TEST(Operations, AllRunAtTheSmallestPresetOfEachKind) {
  ThreadPool pool(2);
  const ops::Context context{pool, kernels::chosen_table()};
  std::set<std::string> names;
  for (const Operation& operation : operations()) {
    EXPECT_TRUE(names.insert(operation.name).second) << operation.name;
    for (const char* name : {"nano", "demo"}) {
      BenchPreset preset = bench_preset(name);
      preset.batch_size = 2;
      const OperationCase c = operation.make(context, preset, bench_model(preset));
      EXPECT_GT(c.elements, 0) << operation.name;
      EXPECT_GT(c.bytes, 0) << operation.name;
      c.run();
    }
  }
}

}  // namespace
}  // namespace cllm::bench
