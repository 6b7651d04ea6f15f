#include "bench/limits.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "base/units.h"
#include "kernels/stream.h"
#include "tensor/arena.h"
#include "threads/machine.h"

namespace cllm::bench {
namespace {

constexpr double kSeconds = 0.03;            // of one measurement
constexpr int64_t kIterations = 100000;      // of a peak loop per call: 0.2 ms or more
constexpr int64_t kBytesPerCall = 16 << 20;  // of a thread, so that starting one costs nothing

// Of arithmetic or of memory, on one thread and on all.
struct Limit {
  std::string name, unit;
  Json extra = Json::object();
  Subject measure;
};

std::string on(int threads) {
  return threads == 1 ? "1 core" : fmt::format("{} cores", threads);
}

std::vector<int> thread_counts(const ops::Context& context) {
  return context.pool.size() == 1 ? std::vector<int>{1} : std::vector<int>{1, context.pool.size()};
}

void add_peaks(const ops::Context& context, std::vector<Limit>& limits) {
  const std::pair<kernels::PeakKind, const char*> kinds[] = {{kernels::PeakKind::kFp32, "fp32"},
                                                             {kernels::PeakKind::kBf16, "bf16"},
                                                             {kernels::PeakKind::kInt8, "int8"}};
  for (const auto& [kind, name] : kinds) {
    const kernels::PeakLoop* loop = kernels::peak_loop(kind, context.kernels.name);
    if (loop == nullptr) continue;
    for (const int threads : thread_counts(context))
      limits.push_back(
          {fmt::format("{} peak, {}", name, on(threads)),
           kind == kernels::PeakKind::kInt8 ? "GOP/s" : "GFLOP/s",
           {{"of", loop->instruction}, {"threads", threads}},
           [&context, loop, threads] { return measure_peak(context.pool, threads, *loop); }});
  }
}

struct WorkingSet {
  std::string place;
  int64_t bytes;  // of one thread
};

// Half of a cache leaves room for whatever else lives there; a shared one is shared fairly.
std::vector<WorkingSet> working_sets(int threads) {
  std::vector<WorkingSet> sets;
  const std::vector<Cache> caches = data_caches();
  for (const Cache& cache : caches) {
    const bool shared = cache.level >= 3;
    const int64_t bytes = cache.bytes / 2 / (shared ? threads : 1);
    if (sets.empty() || bytes > 2 * sets.back().bytes)
      sets.push_back({fmt::format("L{}", cache.level), bytes});
  }
  sets.push_back({"memory", memory_working_set()});
  return sets;
}

void add_streams(const ops::Context& context, std::vector<Limit>& limits) {
  const std::pair<Stream, const char*> streams[] = {
      {Stream::kRead, "read"}, {Stream::kCopy, "copy"}, {Stream::kTriad, "triad"}};
  for (const WorkingSet& set : working_sets(context.pool.size()))
    for (const int threads : thread_counts(context)) {
      const auto problem = std::make_shared<StreamProblem>(context, threads, set.bytes);
      for (const auto& [stream, name] : streams)
        limits.push_back({fmt::format("{} {}, {}", name, set.place, on(threads)),
                          "GB/s",
                          {{"of", format_bytes(static_cast<double>(set.bytes)) + " a core"},
                           {"threads", threads}},
                          [problem, stream = stream] { return problem->measure(stream); }});
    }
}

}  // namespace

double measure_peak(ThreadPool& pool, int threads, const kernels::PeakLoop& loop) {
  std::vector<double> results(static_cast<size_t>(threads));
  const double seconds = seconds_per_call(kSeconds, [&] {
    pool.parallel_for(threads, [&](int64_t task, int) {
      results[static_cast<size_t>(task)] = loop.run(kIterations);
    });
  });
  return static_cast<double>(loop.operations * kIterations * threads) / seconds * 1e-9;
}

StreamProblem::StreamProblem(const ops::Context& context, int threads, int64_t bytes)
    : context_(context), threads_(threads), sums_(static_cast<size_t>(threads)) {
  floats_ = std::max<int64_t>(bytes / static_cast<int64_t>(sizeof(float)) / 192, 1) * 192;
  const auto arena = std::make_shared<Arena>(threads * floats_, "bandwidth measurement");
  memory_ = std::shared_ptr<float[]>(arena, arena->data());
  // Each thread touches its own part first, so that it lies near the core.
  context_.pool.parallel_for(threads_, [&](int64_t thread, int) {
    std::fill_n(memory_.get() + thread * floats_, floats_, 1.0f);
  });
}

void StreamProblem::run(Stream stream, int64_t thread, int64_t passes) {
  const kernels::StreamLoops& loops = kernels::stream_loops(context_.kernels.name);
  float* const x = memory_.get() + thread * floats_;
  const int64_t third = floats_ / 3, half = floats_ / 128 * 64;
  float sum = 0;
  for (int64_t pass = 0; pass < passes; ++pass)
    switch (stream) {
      case Stream::kRead:
        sum += loops.read(floats_, x);
        break;
      case Stream::kCopy:
        loops.copy(half, x, x + half);
        break;
      case Stream::kTriad:
        loops.triad(third, x, x + third, 0.5f, x + 2 * third);
        break;
    }
  sums_[static_cast<size_t>(thread)] = sum;  // so that reading has a purpose
}

double StreamProblem::measure(Stream stream) {
  const int64_t floats = stream == Stream::kCopy ? floats_ / 128 * 128 : floats_;
  const int64_t bytes = floats * static_cast<int64_t>(sizeof(float));
  const int64_t passes = std::max<int64_t>(kBytesPerCall / bytes, 1);
  const double seconds = seconds_per_call(kSeconds, [&] {
    context_.pool.parallel_for(threads_, [&](int64_t thread, int) { run(stream, thread, passes); });
  });
  return static_cast<double>(bytes * passes * threads_) / seconds * 1e-9;
}

int64_t memory_working_set() {
  int64_t largest = 0;
  for (const Cache& cache : data_caches())
    largest = std::max(largest, cache.bytes);
  return std::max<int64_t>(2 * largest, int64_t{64} << 20);
}

void measure_limits(const ops::Context& context, int rounds, const Progressed& progress,
                    Report& report) {
  std::vector<Limit> limits;
  add_peaks(context, limits);
  add_streams(context, limits);
  std::vector<Subject> subjects;
  for (const Limit& limit : limits)
    subjects.push_back(limit.measure);
  std::vector<std::vector<double>> figures = interleave(rounds, subjects, progress);
  for (size_t i = 0; i < limits.size(); ++i)
    report.results.push_back(
        {limits[i].name, limits[i].unit, Better::kHigher, std::move(figures[i]), limits[i].extra});
}

}  // namespace cllm::bench
