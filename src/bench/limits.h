// What this machine can do at most: arithmetic from registers, and memory bandwidth by working set.
// Other benchmarks measure the same in turns with their own subjects, so that shares are taken of
// what the machine gave at that time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/report.h"
#include "bench/statistics.h"
#include "kernels/peak.h"
#include "ops/context.h"

namespace cllm::bench {

// Giga-operations per second of `loop` on the first `threads` of the pool. Tens of milliseconds.
double measure_peak(ThreadPool& pool, int threads, const kernels::PeakLoop& loop);

enum class Stream { kRead, kCopy, kTriad };

// Arrays for bandwidth, one set per thread. Owns its memory; copies share it.
class StreamProblem {
 public:
  // bytes: of all arrays of one thread together. Error (kMemory).
  StreamProblem(const ops::Context& context, int threads, int64_t bytes);
  // GB/s of all threads together; bytes read and written count, lines fetched only to be
  // overwritten do not. Tens of milliseconds.
  double measure(Stream stream);

 private:
  void run(Stream stream, int64_t thread, int64_t passes);

  const ops::Context& context_;
  int threads_;
  int64_t floats_;  // of one thread
  std::shared_ptr<float[]> memory_;
  std::vector<float> sums_;
};

// The bytes per thread whose bandwidth is that of main memory.
int64_t memory_working_set();

// Every limit: peaks of the table's instructions, then bandwidth in each cache and in memory, on
// one thread and on all. Appends to report.results.
void measure_limits(const ops::Context& context, int rounds, const Progressed& progress,
                    Report& report);

}  // namespace cllm::bench
