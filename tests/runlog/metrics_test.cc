#include "runlog/metrics.h"

#include <fstream>
#include <limits>

#include "base/error.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using MetricsFile = TemporaryFolder;

const std::string kStep =
    R"({"kind":"step","step":1,"loss":2.5,"learning_rate":0.001,"gradient_norm":"NaN",)"
    R"("tokens_per_second":"Infinity","tokens":768,"seconds":0.5})"
    "\n";
const std::string kEval =
    R"({"kind":"eval","step":1,"loss":"-Infinity","perplexity":9,"bits_per_byte":3})"
    "\n";

TEST_F(MetricsFile, ReadsEveryKind) {
  const fs::path path = folder_ / "m";
  write_file(path, kStep + kEval + "{\"kind\":\"event\",\"step\":2,\"text\":\"a\\nb\"}\n");
  const Metrics metrics = read_metrics(path);
  ASSERT_EQ(metrics.steps.size(), 1u);
  EXPECT_EQ(metrics.steps[0].loss, 2.5);
  EXPECT_NE(metrics.steps[0].gradient_norm, metrics.steps[0].gradient_norm);
  EXPECT_EQ(metrics.steps[0].tokens_per_second, std::numeric_limits<double>::infinity());
  EXPECT_EQ(metrics.steps[0].tokens, 768);
  ASSERT_EQ(metrics.evaluations.size(), 1u);
  EXPECT_EQ(metrics.evaluations[0].loss, -std::numeric_limits<double>::infinity());
  ASSERT_EQ(metrics.events.size(), 1u);
  EXPECT_EQ(metrics.events[0].text, "a\nb");
}

TEST_F(MetricsFile, ATornLastLineIsIgnoredWhereverItIsCut) {
  const fs::path path = folder_ / "m";
  for (size_t cut = 0; cut < kStep.size(); ++cut) {
    fs::remove(path);  // truncation would wait for the disk
    std::ofstream(path) << kEval + kStep.substr(0, cut);
    const Metrics metrics = read_metrics(path);
    ASSERT_EQ(metrics.evaluations.size(), 1u) << cut;
    ASSERT_EQ(metrics.steps.size(), 0u) << cut;
  }
}

TEST_F(MetricsFile, ADamagedLineIsAnErrorWithItsNumber) {
  const fs::path path = folder_ / "m";
  for (const std::string bad : {"x\n", "\n", "[]\n", "{}\n", "{\"kind\":\"leap\",\"step\":1}\n",
                                "{\"kind\":\"event\",\"step\":\"1\",\"text\":\"\"}\n",
                                "{\"kind\":\"eval\",\"step\":1,\"loss\":\"many\",\"perplexity\":1,"
                                "\"bits_per_byte\":1}\n"}) {
    write_file(path, kEval + bad + kEval);
    try {
      read_metrics(path);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_NE(std::string(error.what()).find(path.string() + ":2"), std::string::npos);
    }
  }
}

// The cells of one CSV record (RFC 4180), from `at`, which moves behind it.
std::vector<std::string> csv_record(const std::string& csv, size_t& at) {
  std::vector<std::string> cells(1);
  bool inside = false;
  for (; at < csv.size(); ++at) {
    const char c = csv[at];
    if (inside && c == '"' && csv[at + 1] == '"') {
      cells.back() += '"';
      ++at;
    } else if (c == '"') {
      inside = !inside;
    } else if (!inside && c == ',') {
      cells.emplace_back();
    } else if (!inside && c == '\r') {
      at += 2;
      break;
    } else {
      cells.back() += c;
    }
  }
  return cells;
}

TEST_F(MetricsFile, CsvHoldsEveryRecordByStepAndReadsBackExactly) {
  Metrics metrics;
  const double third = 1.0 / 3;
  metrics.steps = {{1, third, 1e-3, std::numeric_limits<double>::quiet_NaN(), 1e5, 768, 0.1},
                   {2, 2e-308, 5e-324, 1, 2, 1536, 0.2}};
  metrics.evaluations = {{1, 2, std::numeric_limits<double>::infinity(), 4}};
  metrics.events = {{0, "a \"quoted\", text\nwith lines"}};
  const std::string csv = metrics_csv(metrics);
  size_t at = 0;
  const auto header = csv_record(csv, at);
  ASSERT_EQ(header.size(), 11u);
  EXPECT_EQ(header[2], "loss");
  const auto event = csv_record(csv, at);
  EXPECT_EQ(event.size(), 11u);
  EXPECT_EQ(event[0], "event");
  EXPECT_EQ(event[10], metrics.events[0].text);
  const auto first = csv_record(csv, at);
  EXPECT_EQ(first.size(), 11u);
  EXPECT_EQ(std::stod(first[2]), third);
  EXPECT_EQ(first[4], "NaN");
  EXPECT_EQ(first[6], "768");
  const auto eval = csv_record(csv, at);
  EXPECT_EQ(eval.size(), 11u);
  EXPECT_EQ(eval[0], "eval");
  EXPECT_EQ(eval[8], "Infinity");
  EXPECT_EQ(eval[9], "4");
  const auto second = csv_record(csv, at);
  EXPECT_EQ(std::strtod(second[2].c_str(), nullptr), 2e-308);
  EXPECT_EQ(std::strtod(second[3].c_str(), nullptr), 5e-324);
  EXPECT_EQ(at, csv.size());
}

}  // namespace
}  // namespace cllm
