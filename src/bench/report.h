// The one shape of every benchmark's outcome: where it ran, with what settings, and per result all
// samples; as a JSON document (read again by `cllm bench compare`) and as an aligned table.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "bench/statistics.h"

namespace cllm::bench {

using Json = nlohmann::ordered_json;

struct Machine {
  std::string cpu;                  // "AMD EPYC"
  int cores = 0;                    // processors that this process may use
  int threads = 0;                  // that the benchmark used
  std::string isa;                  // kernel table
  std::vector<std::string> caches;  // "L1 data 32K", of the first core
  int64_t memory = 0;               // bytes of the machine
  std::string kernel;               // of the operating system
  std::string compiler, version, commit;
};

// cpu, cores, caches, memory and kernel of this machine; the rest is the caller's to fill in.
Machine this_machine();
// "AMD EPYC, 4 of 4 cores, avx512, L1 data 32K, L2 1024K, ..., cllm 0.1.0 (7fa2592, GNU 12.2.0)"
std::string machine_line(const Machine& machine);

enum class Better { kHigher, kLower };

struct Result {
  std::string name;  // unique in its report: compare matches by it
  std::string unit;  // "GFLOP/s", "tokens/s", "s"
  Better better = Better::kHigher;
  std::vector<double> samples;
  // More facts, an object. Numbers, texts and truth values become columns of the table: a key that
  // ends in "share" prints as percent, in "bytes" and "seconds" with their units. Lists and objects
  // stand in the JSON form only.
  Json extra = Json::object();
};

struct Report {
  std::string benchmark;  // "gemm"
  Machine machine;
  Json settings = Json::object();  // what is needed to run the same again
  std::vector<Result> results;
  std::string table;               // shown in place of a row per result; not part of the JSON form
  std::vector<std::string> notes;  // lines that belong under the table
};

Json report_json(const Report& report);
// One row per result.
std::string results_table(const Report& report);
// Machine line, one row per result (name, median and quartiles, unit, extras) or the report's own
// table, notes.
std::string report_table(const Report& report);

// What report_json wrote. Error (kData) naming `path` if it is missing, no JSON or not of this
// shape.
Report read_report(const std::string& path);
// The document as a file that is complete or absent. Error (kRuntime).
void save_report(const Report& report, const std::string& path);

}  // namespace cllm::bench
