// cllm bench compare: what changed between two reports, or since one.
#include <algorithm>
#include <memory>

#include "base/error.h"
#include "bench/compare.h"
#include "bench/text_table.h"
#include "cli/bench_options.h"
#include "cli/signals.h"

namespace cllm::cli {
namespace {

using bench::Json;

// Exit code when something has become slower.
constexpr int kRegressed = 1;

struct CompareOptions {
  std::string base, now;
  double threshold = 3;  // percent
  bool force = false;
};

Json to_json(const CompareOptions& options, const bench::Report& base, const bench::Report& now,
             const bench::Comparison& comparison) {
  Json changes = Json::array();
  for (const bench::Change& change : comparison.changes)
    changes.push_back({{"name", change.name},
                       {"unit", change.unit},
                       {"base", change.base},
                       {"now", change.now},
                       {"gain", change.gain},
                       {"confidence", change.confidence},
                       {"regression", change.regression}});
  return {{"benchmark", base.benchmark},
          {"base", options.base},
          {"base_commit", base.machine.commit},
          {"now", options.now.empty() ? Json(nullptr) : Json(options.now)},
          {"now_commit", now.machine.commit},
          {"threshold", options.threshold / 100},
          {"confidence", bench::kConfidence},
          {"regressions", comparison.regressions()},
          {"changes", changes},
          {"only_in_base", comparison.only_base},
          {"only_in_now", comparison.only_now}};
}

std::string verdict(const bench::Change& change, double threshold) {
  if (change.regression) return "REGRESSION";
  if (change.confidence < bench::kConfidence) return "no change seen";
  if (change.gain > threshold) return "better";
  return change.gain < 0 ? "slightly worse" : "slightly better";
}

void print_text(const CompareOptions& options, const bench::Report& base, const bench::Report& now,
                const bench::Comparison& comparison, Output& out) {
  out.print("base  {}\nnow   {}\n\n", bench::machine_line(base.machine),
            bench::machine_line(now.machine));
  std::vector<std::vector<std::string>> rows = {
      {base.benchmark, "base", "now", "", "gain", "confidence", "verdict"}};
  for (const bench::Change& change : comparison.changes)
    rows.push_back({change.name, bench::format_figure(change.base),
                    bench::format_figure(change.now), change.unit,
                    fmt::format("{:+.1f} %", 100 * change.gain),
                    fmt::format("{:.1f} %", 100 * change.confidence),
                    verdict(change, options.threshold / 100)});
  out.write(bench::text_table(rows));
  const auto list = [&](const char* where, const std::vector<std::string>& names) {
    for (const std::string& name : names)
      out.print("only {}: {}\n", where, name);
  };
  list("in the base", comparison.only_base);
  list("now", comparison.only_now);
  out.print("\n{} of {} results are worse by more than {} % with {:.0f} % confidence\n",
            comparison.regressions(), comparison.changes.size(), options.threshold,
            100 * bench::kConfidence);
}

void require_comparable(const CompareOptions& options, const bench::Report& base,
                        const bench::Report& now) {
  const std::string difference = bench::incomparable(base, now);
  if (!difference.empty() && !options.force)
    throw Error(ErrorKind::kUsage, options.base, "is not of the same kind: " + difference,
                "compare runs of one benchmark on one machine, or --force");
}

// Other work on the machine may have slowed a whole run down: what looks worse is measured once
// more, and stays a regression only if it still is with both runs together and with the second one
// alone.
bench::Comparison confirmed(const CompareOptions& options, const bench::Report& base,
                            bench::Report& now, ActionContext& context) {
  const double threshold = options.threshold / 100;
  bench::Comparison first = bench::compare_reports(base, now, threshold);
  if (!options.now.empty() || first.regressions() == 0) return first;
  context.log.info(
      fmt::format("{} results look worse; measuring once more to make sure", first.regressions()));
  const bench::Report again = run_again(base, options.base, context);
  const bench::Comparison second = bench::compare_reports(base, again, threshold);
  now = bench::pooled(now, again);
  bench::Comparison both = bench::compare_reports(base, now, threshold);
  for (bench::Change& change : both.changes)
    change.regression =
        change.regression &&
        std::any_of(second.changes.begin(), second.changes.end(), [&](const bench::Change& other) {
          return other.name == change.name && other.regression;
        });
  return both;
}

int run(const CompareOptions& options, ActionContext& context) {
  install_signal_handlers();
  const bench::Report base = bench::read_report(options.base);
  bench::Report now;
  if (options.now.empty()) {
    // Before any work: what can be told of this machine without measuring.
    now = new_report(base.benchmark, base.machine.threads);
    require_comparable(options, base, now);
    now = run_again(base, options.base, context);
  } else {
    now = bench::read_report(options.now);
  }
  require_comparable(options, base, now);
  const bench::Comparison comparison = confirmed(options, base, now, context);
  if (comparison.changes.empty())
    throw Error(ErrorKind::kData, options.base, "has no result in common with the other report",
                "compare runs with the same options");
  if (context.global.json)
    context.out.json(to_json(options, base, now, comparison));
  else
    print_text(options, base, now, comparison, context.out);
  return comparison.regressions() > 0 ? kRegressed : 0;
}

}  // namespace

void add_bench_compare(Program& program, CLI::App& bench) {
  CLI::App* command =
      add_command(program, bench, "compare",
                  "What changed since a saved report; exit code 1 if something is slower",
                  "  cllm bench step --preset baby --save base.json\n"
                  "  cllm bench compare base.json\n"
                  "  cllm bench compare base.json new.json --threshold 5");
  auto options = std::make_shared<CompareOptions>();
  command->add_option("BASE", options->base, "report that a benchmark saved with --save")
      ->required();
  command->add_option("NEW", options->now,
                      "the report to judge (default: run the benchmark of BASE again)");
  command
      ->add_option("--threshold", options->threshold,
                   "a result is a regression if it is worse by more than this, in percent "
                   "(default 3), with 95 % confidence")
      ->type_name("PERCENT")
      ->check(CLI::Range(0.0, 1000.0).description(""));
  command->add_flag("--force", options->force, "compare reports of other machines too");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return run(*options, context); };
  });
}

}  // namespace cllm::cli
