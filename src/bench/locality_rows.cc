#include "bench/locality_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "base/philox.h"
#include "bench/text_table.h"
#include "ops/embedding.h"

namespace cllm::bench {
namespace {

// The stream in one order, with the sorted keys of every batch.
struct OrderedStream {
  RowOrder order;
  std::vector<int32_t> rows;
  std::vector<uint64_t> keys;
};

std::vector<OrderedStream> ordered_streams(const ops::Context& context, const TokenStream& stream,
                                           int64_t N) {
  std::vector<OrderedStream> all;
  for (const RowOrder order : row_orders(stream)) {
    OrderedStream& next = all.emplace_back(OrderedStream{order, rows_in_order(stream, order), {}});
    next.keys.resize(next.rows.size());
    for (size_t at = 0; at + static_cast<size_t>(N) <= next.rows.size();
         at += static_cast<size_t>(N))
      ops::sort_tokens(context, N, next.rows.data() + at, next.keys.data() + at);
  }
  return all;
}

void run_batch(RowProblem& problem, RowWork work, const OrderedStream& stream, size_t at,
               std::vector<uint64_t>& spare) {
  const int32_t* rows = stream.rows.data() + at;
  const uint64_t* keys = stream.keys.data() + at;
  switch (work) {
    case RowWork::kGather:
      return problem.gather(rows, nullptr);
    case RowWork::kSortedGather:
      return problem.gather(rows, keys);
    case RowWork::kSort:
      return problem.sort(rows, spare.data());
    case RowWork::kScatter:
      return problem.scatter(rows, nullptr);
    case RowWork::kSortedScatter:
      return problem.scatter(rows, keys);
  }
}

// ns per token: the median over the batches of one pass. A batch is shorter than the turn that a
// busy system gives to another program, so most are undisturbed.
double measure_pass(RowProblem& problem, RowWork work, const OrderedStream& stream, int64_t N,
                    std::vector<uint64_t>& spare) {
  const int64_t batches = std::ssize(stream.rows) / N;
  std::vector<double> seconds;
  for (int64_t batch = 0; batch < batches; ++batch) {
    const double start = steady_seconds();
    run_batch(problem, work, stream, static_cast<size_t>(batch * N), spare);
    seconds.push_back(steady_seconds() - start);
  }
  return 1e9 * spread(std::move(seconds)).median / static_cast<double>(N);
}

const char* pages_name(Pages pages) {
  return pages == Pages::kHuge ? "2 MiB" : "4 KiB";
}

// One table with what is measured on it.
struct TableJob {
  const std::vector<OrderedStream>& streams;
  int64_t C, N;
  Pages pages;
};

// Every work in every order takes turns; [work, order][round].
std::vector<std::vector<double>> measure_table(const TableJob& job, RowProblem& problem, int rounds,
                                               const Progressed& progress) {
  const OrderedStream& first = job.streams.front();
  CHECK(problem.orders_agree(first.rows.data(), first.keys.data()));
  std::vector<uint64_t> spare(static_cast<size_t>(job.N));
  std::vector<Subject> subjects;
  for (const RowWork work : kRowWorks)
    for (const OrderedStream& stream : job.streams)
      subjects.push_back([&, work] { return measure_pass(problem, work, stream, job.N, spare); });
  return interleave(rounds, subjects, progress);
}

// figures: of this work, by order, the random one first. Returns its row of the table.
std::vector<std::string> add_results(const TableJob& job, RowWork work, double huge_share,
                                     std::span<const std::vector<double>> figures, Report& report) {
  const std::string title =
      fmt::format("{}, width {}, {} pages", row_work_name(work), job.C, pages_name(job.pages));
  std::vector<std::string> row = {title};
  for (size_t i = 0; i < job.streams.size(); ++i) {
    const Spread s = spread(figures[i]);
    row.push_back(fmt::format("{:.1f} ({:.1f}-{:.1f})", s.median, s.low, s.high));
    const char* order = row_order_name(job.streams[i].order);
    const Json extra = {{"work", row_work_name(work)},
                        {"width", job.C},
                        {"order", order},
                        {"huge_share", huge_share},
                        {"against_random", median_ratio(figures[i], figures[0])}};
    report.results.push_back(
        {fmt::format("{}, {}", title, order), "ns/token", Better::kLower, figures[i], extra});
  }
  return row;
}

}  // namespace

const char* row_work_name(RowWork work) {
  switch (work) {
    case RowWork::kGather:
      return "gather";
    case RowWork::kSortedGather:
      return "gather of sorted tokens";
    case RowWork::kSort:
      return "sort";
    case RowWork::kScatter:
      return "scatter";
    case RowWork::kSortedScatter:
      break;
  }
  return "scatter of sorted tokens";
}

RowProblem::RowProblem(const ops::Context& context, int64_t V, int64_t C, int64_t N, Pages pages)
    : context_(context), C_(C), N_(N), table_(V * C, pages), x_(N * C, "rows of a batch") {}

void RowProblem::gather(const int32_t* tokens, const uint64_t* keys) {
  ops::embedding_forward(context_, N_, N_, C_, tokens, table_.data(), nullptr, x_.data(), keys);
}

void RowProblem::sort(const int32_t* tokens, uint64_t* keys) {
  ops::sort_tokens(context_, N_, tokens, keys);
}

void RowProblem::scatter(const int32_t* tokens, const uint64_t* keys) {
  ops::embedding_backward(context_, N_, N_, C_, tokens, x_.data(), table_.data(), nullptr, keys);
}

bool RowProblem::orders_agree(const int32_t* tokens, const uint64_t* keys) {
  const Philox source(5, RandomStream::kTest);
  for (int64_t i = 0; i < x_.floats(); ++i)
    x_.data()[i] = static_cast<float>(2 * source.uniform(0, static_cast<uint64_t>(i)) - 1);
  const auto results = [&](const uint64_t* order) {
    std::fill_n(table_.data(), table_.floats(), 0.0f);
    scatter(tokens, order);
    std::vector<float> all(table_.data(), table_.data() + table_.floats());
    Arena kept = std::exchange(x_, Arena(x_.floats(), "rows of a batch"));
    gather(tokens, order);
    all.insert(all.end(), x_.data(), x_.data() + x_.floats());
    x_ = std::move(kept);
    return all;
  };
  const std::vector<float> one = results(nullptr), other = results(keys);
  std::fill_n(table_.data(), table_.floats(), 0.0f);
  return std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
}

void measure_rows(const ops::Context& context, const TokenStream& stream, const RowsWanted& wanted,
                  int rounds, const Progressed& progress, Report& report) {
  CHECK_MSG(std::ssize(stream.ids) >= wanted.batch, "{} tokens, batches of {}", stream.ids.size(),
            wanted.batch);
  const std::vector<OrderedStream> streams = ordered_streams(context, stream, wanted.batch);
  std::vector<std::vector<std::string>> table = {{"ns per token (quartiles)"}};
  for (const OrderedStream& ordered : streams)
    table[0].push_back(row_order_name(ordered.order));
  const int64_t jobs = 2 * std::ssize(wanted.widths);
  int64_t done_jobs = 0;
  for (const int64_t C : wanted.widths)
    for (const Pages pages : {Pages::kSmall, Pages::kHuge}) {
      const TableJob job{streams, C, wanted.batch, pages};
      RowProblem problem(context, stream.V, C, wanted.batch, pages);
      const auto figures = measure_table(job, problem, rounds, [&](int64_t done, int64_t total) {
        if (progress) progress(done_jobs * total + done, jobs * total);
      });
      size_t at = 0;
      for (const RowWork work : kRowWorks) {
        table.push_back(add_results(job, work, problem.huge_share(),
                                    std::span(figures).subspan(at, streams.size()), report));
        at += streams.size();
      }
      if (pages == Pages::kHuge && problem.huge_share() < 0.9)
        report.notes.push_back(
            fmt::format("Width {}: the system gave huge pages for {:.0f} % only.", C,
                        100 * problem.huge_share()));
      ++done_jobs;
    }
  report.table += (report.table.empty() ? "" : "\n") + text_table(table);
}

}  // namespace cllm::bench
