// What the commands of `cllm bench` have in common: their options, how far they are, and how their
// report is printed, saved and run again.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "bench/report.h"
#include "cli/program.h"
#include "model/engine.h"

namespace cllm::cli {

struct BenchOptions {
  int64_t rounds = 0;
  int64_t threads = 0;  // 0 = choose
  std::string save;     // file for the JSON document, "" = none

  // Adds --rounds (with this default), --threads and --save.
  void add_to(CLI::App& command, int64_t default_rounds);
};

// An empty report with this machine, this build and what the engine uses.
bench::Report new_report(const std::string& benchmark, const Engine& engine);
// The same without an engine, which starts threads; threads as for Engine.
bench::Report new_report(const std::string& benchmark, int threads);

// For bench::interleave: shows how far the work is on stderr (a bar, or a line every ten seconds
// where there is no terminal), and throws Interrupted when a stop was asked for, which needs
// install_signal_handlers(). log must outlive it.
bench::Progressed bench_progress(Log& log, const std::string& label);

// Notes in report.settings how `command` was called, prints the report as table or JSON, and saves
// it if that was asked for. Returns 0.
int finish_bench(bench::Report& report, const CLI::App& command, const BenchOptions& options,
                 ActionContext& context);

// Runs the benchmark of a report again as it was called then, without printing. Error (kData) if
// `origin`, the report's file, does not tell how it was called.
bench::Report run_again(const bench::Report& report, const std::string& origin,
                        ActionContext& context);

}  // namespace cllm::cli
