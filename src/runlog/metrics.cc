#include "runlog/metrics.h"

#include <fmt/format.h>

#include <cmath>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"

namespace cllm {
namespace {

using nlohmann::json;

double read_number(const json& value) {
  if (value.is_number()) return value.get<double>();
  const std::string& text = value.get_ref<const std::string&>();
  if (text == "NaN") return std::numeric_limits<double>::quiet_NaN();
  if (text == "Infinity") return std::numeric_limits<double>::infinity();
  if (text == "-Infinity") return -std::numeric_limits<double>::infinity();
  throw std::invalid_argument("not a number: " + text);
}

[[noreturn]] void fail_line(const std::string& where, int64_t line_number) {
  throw Error(ErrorKind::kData, fmt::format("{}:{}", where, line_number), "is not a metrics record",
              "the file was changed; remove that line, or resume an older copy of the run");
}

void add_record(const json& record, Metrics& metrics) {
  const std::string& kind = record.at("kind").get_ref<const std::string&>();
  const int64_t step = record.at("step").get<int64_t>();
  const auto number = [&](const char* key) { return read_number(record.at(key)); };
  if (kind == "step") {
    metrics.steps.push_back({step, number("loss"), number("learning_rate"), number("gradient_norm"),
                             number("tokens_per_second"), record.at("tokens").get<int64_t>(),
                             number("seconds")});
  } else if (kind == "eval") {
    metrics.evaluations.push_back(
        {step, number("loss"), number("perplexity"), number("bits_per_byte")});
  } else if (kind == "event") {
    metrics.events.push_back({step, record.at("text").get<std::string>()});
  } else {
    throw std::invalid_argument("unknown kind: " + kind);
  }
}

// `use` gets the parsed line; whatever it does not understand becomes the Error of the line.
void parse_line(std::string_view line, const std::string& where, int64_t line_number,
                const std::function<void(const json&)>& use) {
  try {
    use(json::parse(line));
  } catch (const json::exception&) {
    fail_line(where, line_number);
  } catch (const std::invalid_argument&) {
    fail_line(where, line_number);
  }
}

std::string csv_number(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value > 0 ? "Infinity" : "-Infinity";
  return fmt::format("{}", value);
}

std::string csv_text(const std::string& text) {
  std::string cell = "\"";
  for (const char c : text) {
    if (c == '"') cell += '"';
    cell += c;
  }
  return cell + "\"";
}

}  // namespace

std::string_view whole_lines(std::string_view text) {
  const size_t last = text.rfind('\n');
  return last == std::string_view::npos ? std::string_view() : text.substr(0, last + 1);
}

int64_t record_step(std::string_view line, const std::string& where, int64_t line_number) {
  int64_t step = 0;
  parse_line(line, where, line_number,
             [&](const json& record) { step = record.at("step").get<int64_t>(); });
  return step;
}

Metrics read_metrics(const fs::path& path) {
  const std::string text = read_file(path);
  Metrics metrics;
  std::string_view rest = whole_lines(text);
  for (int64_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    parse_line(rest.substr(0, end), path.string(), number,
               [&](const json& record) { add_record(record, metrics); });
    rest.remove_prefix(end + 1);
  }
  return metrics;
}

std::string metrics_csv(const Metrics& metrics) {
  std::string csv =
      "kind,step,loss,learning_rate,gradient_norm,tokens_per_second,tokens,seconds,perplexity,"
      "bits_per_byte,text\r\n";
  const auto out = std::back_inserter(csv);
  auto step = metrics.steps.begin();
  auto eval = metrics.evaluations.begin();
  auto event = metrics.events.begin();
  const auto next = [](const auto& at, const auto& records) {
    return at == records.end() ? std::numeric_limits<int64_t>::max() : at->step;
  };
  while (step != metrics.steps.end() || eval != metrics.evaluations.end() ||
         event != metrics.events.end()) {
    const int64_t step_at = next(step, metrics.steps);
    const int64_t eval_at = next(eval, metrics.evaluations);
    const int64_t event_at = next(event, metrics.events);
    if (step != metrics.steps.end() && step_at <= eval_at && step_at <= event_at) {
      fmt::format_to(out, "step,{},{},{},{},{},{},{},,,\r\n", step->step, csv_number(step->loss),
                     csv_number(step->learning_rate), csv_number(step->gradient_norm),
                     csv_number(step->tokens_per_second), step->tokens, csv_number(step->seconds));
      ++step;
    } else if (eval != metrics.evaluations.end() && eval_at <= event_at) {
      fmt::format_to(out, "eval,{},{},,,,,,{},{},\r\n", eval->step, csv_number(eval->loss),
                     csv_number(eval->perplexity), csv_number(eval->bits_per_byte));
      ++eval;
    } else {
      fmt::format_to(out, "event,{},,,,,,,,,{}\r\n", event->step, csv_text(event->text));
      ++event;
    }
  }
  return csv;
}

void write_metrics_csv(const RunFolder& folder) {
  write_file(folder.metrics_csv(), metrics_csv(read_metrics(folder.metrics())));
}

}  // namespace cllm
