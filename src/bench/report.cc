#include "bench/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"
#include "bench/text_table.h"
#include "threads/machine.h"

namespace cllm::bench {
namespace {

std::string cell(const std::string& key, const Json& value) {
  if (value.is_null()) return "-";
  if (value.is_string()) return value.get<std::string>();
  if (value.is_boolean()) return value.get<bool>() ? "yes" : "no";
  const auto number = value.get<double>();
  if (key.ends_with("share")) return fmt::format("{:.1f} %", 100 * number);
  if (key.ends_with("bytes")) return format_bytes(number);
  if (key.ends_with("seconds")) return format_duration(number);
  return value.is_number_integer() ? value.dump() : format_figure(number);
}

std::string figure(const Result& result, double value) {
  return result.unit == "s" ? format_duration(value) : format_figure(value);
}

// Extras that can be a column, in the order of their first appearance.
std::vector<std::string> columns_of(const Report& report) {
  std::vector<std::string> keys;
  for (const Result& result : report.results)
    for (const auto& [key, value] : result.extra.items())
      if (value.is_primitive() && std::find(keys.begin(), keys.end(), key) == keys.end())
        keys.push_back(key);
  return keys;
}

std::string heading(std::string key) {
  std::replace(key.begin(), key.end(), '_', ' ');
  return key;
}

std::vector<std::string> row(const Result& result, const std::vector<std::string>& keys) {
  const Spread s = spread(result.samples);
  std::vector<std::string> cells = {
      result.name, figure(result, s.median),
      fmt::format("{} .. {}", figure(result, s.low), figure(result, s.high)),
      result.unit == "s" ? "" : result.unit};
  for (const std::string& key : keys)
    cells.push_back(result.extra.contains(key) ? cell(key, result.extra.at(key)) : "-");
  return cells;
}

Json machine_json(const Machine& m) {
  return {{"cpu", m.cpu},       {"cores", m.cores},       {"threads", m.threads},
          {"isa", m.isa},       {"caches", m.caches},     {"memory", m.memory},
          {"kernel", m.kernel}, {"compiler", m.compiler}, {"version", m.version},
          {"commit", m.commit}};
}

Json result_json(const Result& result) {
  const Spread s = spread(result.samples);
  Json json = {{"name", result.name},
               {"unit", result.unit},
               {"better", result.better == Better::kHigher ? "higher" : "lower"},
               {"median", s.median},
               {"low", s.low},
               {"high", s.high},
               {"samples", result.samples}};
  json.update(result.extra);
  return json;
}

Machine machine_of(const Json& json) {
  Machine m;
  json.at("cpu").get_to(m.cpu);
  json.at("cores").get_to(m.cores);
  json.at("threads").get_to(m.threads);
  json.at("isa").get_to(m.isa);
  json.at("caches").get_to(m.caches);
  json.at("memory").get_to(m.memory);
  json.at("kernel").get_to(m.kernel);
  json.at("compiler").get_to(m.compiler);
  json.at("version").get_to(m.version);
  json.at("commit").get_to(m.commit);
  return m;
}

Result result_of(const Json& json) {
  Result result;
  json.at("name").get_to(result.name);
  json.at("unit").get_to(result.unit);
  json.at("samples").get_to(result.samples);
  result.better =
      json.at("better").get<std::string>() == "lower" ? Better::kLower : Better::kHigher;
  for (const auto& [key, value] : json.items())
    if (key != "name" && key != "unit" && key != "better" && key != "median" && key != "low" &&
        key != "high" && key != "samples")
      result.extra[key] = value;
  return result;
}

Report report_of(const Json& json) {
  Report report;
  json.at("benchmark").get_to(report.benchmark);
  report.machine = machine_of(json.at("machine"));
  report.settings = json.at("settings");
  for (const Json& result : json.at("results"))
    report.results.push_back(result_of(result));
  if (json.contains("notes")) json.at("notes").get_to(report.notes);
  return report;
}

}  // namespace

Machine this_machine() {
  Machine machine;
  machine.cpu = cpu_name();
  machine.cores = usable_processors();
  machine.caches = cache_names();
  machine.memory = machine_memory();
  machine.kernel = kernel_name();
  return machine;
}

std::string machine_line(const Machine& m) {
  return fmt::format("{}, {} thread{} on {} core{}, {}, {}, {}, {}, cllm {} ({}, {})", m.cpu,
                     m.threads, m.threads == 1 ? "" : "s", m.cores, m.cores == 1 ? "" : "s", m.isa,
                     fmt::join(m.caches, ", "), format_bytes(static_cast<double>(m.memory)),
                     m.kernel, m.version, m.commit, m.compiler);
}

std::string results_table(const Report& report) {
  const std::vector<std::string> keys = columns_of(report);
  std::vector<std::vector<std::string>> rows = {{report.benchmark, "median", "quartiles", ""}};
  for (const std::string& key : keys)
    rows[0].push_back(heading(key));
  for (const Result& result : report.results)
    rows.push_back(row(result, keys));
  return text_table(rows);
}

Json report_json(const Report& report) {
  Json results = Json::array();
  for (const Result& result : report.results)
    results.push_back(result_json(result));
  return {{"benchmark", report.benchmark},
          {"machine", machine_json(report.machine)},
          {"settings", report.settings},
          {"results", results},
          {"notes", report.notes}};
}

std::string report_table(const Report& report) {
  std::string text = machine_line(report.machine) + "\n\n" +
                     (report.table.empty() ? results_table(report) : report.table);
  if (!report.notes.empty()) text += "\n";
  for (const std::string& note : report.notes)
    text += note + "\n";
  return text;
}

Report read_report(const std::string& path) {
  const std::string text = read_file(path);
  try {
    return report_of(Json::parse(text));
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kData, path, "is no report of `cllm bench`",
                "save one with `cllm bench NAME --save FILE`");
  }
}

void save_report(const Report& report, const std::string& path) {
  write_file(path, report_json(report).dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace cllm::bench
