// Loops over every kernel table of this machine and over thread counts, for tests of kernels and
// operations.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "kernels/table.h"
#include "ops/context.h"
#include "testing.h"
#include "threads/pool.h"

namespace cllm::testing {

// Calls body(table) for every table this machine can run, with the name in failure messages.
template <class Body>
void for_each_table(Body body) {
  for (const kernels::Table* table : kernels::supported_tables()) {
    SCOPED_TRACE(std::string("table ") + table->name);
    body(*table);
  }
}

// Lanes of a table, for choosing lengths around its vector width.
inline int64_t lanes_of(const kernels::Table& table) {
  const std::string name = table.name;
  return name == "scalar" ? 1 : name == "avx2" ? 8 : 16;
}

// Lengths 0..2*lanes+1 and some larger ones around powers of two.
inline std::vector<int64_t> lengths_for(const kernels::Table& table) {
  std::vector<int64_t> lengths;
  for (int64_t n = 0; n <= 2 * lanes_of(table) + 1; ++n)
    lengths.push_back(n);
  for (const int64_t n : {63, 64, 129, 511, 1025})
    if (n > lengths.back()) lengths.push_back(n);
  return lengths;
}

// Calls body(context) with a Context {pool, table} for every table and 1, 2, 3 and 4 threads.
template <class Body>
void for_each_context(Body body) {
  for (int threads = 1; threads <= 4; ++threads) {
    ThreadPool pool(threads);
    for_each_table([&](const kernels::Table& table) {
      SCOPED_TRACE(std::to_string(threads) + " threads");
      body(ops::Context{pool, table});
    });
  }
}

// Calls run(context), which returns the outputs as one std::vector<float>, for every table and 1,
// 2, 3 and 4 threads, and expects the same bits for every thread count of a table.
template <class Run>
void expect_same_bits_for_threads(Run run) {
  for_each_table([&](const kernels::Table& table) {
    std::vector<float> first;
    for (int threads = 1; threads <= 4; ++threads) {
      SCOPED_TRACE(std::to_string(threads) + " threads");
      ThreadPool pool(threads);
      const std::vector<float> outputs = run(ops::Context{pool, table});
      if (threads == 1) first = outputs;
      EXPECT_TRUE(same_bits(outputs, first));
    }
  });
}

}  // namespace cllm::testing
