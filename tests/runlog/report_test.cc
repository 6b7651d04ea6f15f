#include "runlog/report.h"

#include <cmath>
#include <limits>
#include <vector>

#include "runlog/metrics_writer.h"
#include "runlog/svg.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using Report = TemporaryFolder;

bool is_entity(std::string_view text) {
  for (const char* entity : {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"})
    if (text.starts_with(entity)) return true;
  return false;
}

// A minimal check of well-formedness: tags nest and close, attributes are quoted, text and values
// hold no bare '<' or '&' and no forbidden control character. Returns the fault, or "".
std::string xml_fault(const std::string& xml) {
  std::vector<std::string> open;
  size_t i = xml.starts_with("<?xml") ? xml.find("?>") + 2 : 0;
  bool root_seen = false;
  while (i < xml.size()) {
    const unsigned char c = static_cast<unsigned char>(xml[i]);
    if (c < 0x20 && c != '\n' && c != '\t' && c != '\r') return "control character";
    if (c == '&' && !is_entity(std::string_view(xml).substr(i))) return "bare &";
    if (c != '<') {
      if (open.empty() && c != '\n') return "text outside the root";
      ++i;
      continue;
    }
    char quote = 0;
    size_t end = i + 1;
    for (; end < xml.size() && (quote != 0 || xml[end] != '>'); ++end) {
      if (xml[end] == '<') return "< inside a tag";
      if (xml[end] == '&' && !is_entity(std::string_view(xml).substr(end))) return "bare &";
      if (quote == 0 && (xml[end] == '"' || xml[end] == '\''))
        quote = xml[end];
      else if (xml[end] == quote)
        quote = 0;
    }
    if (end == xml.size()) return "unclosed tag";
    const std::string tag = xml.substr(i + 1, end - i - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" /\n", 1));
    if (open.empty() && root_seen) return "two roots";
    root_seen = true;
    if (tag[0] == '/') {
      if (open.empty() || "/" + open.back() != tag) return "wrong closing tag " + tag;
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(name);
    }
    i = end + 1;
  }
  return open.empty() ? "" : "unclosed " + open.back();
}

void expect_sound(const std::string& svg) {
  EXPECT_EQ(xml_fault(svg), "");
  EXPECT_LT(svg.size(), 200'000u);
  for (const char* bad : {"nan", "NaN\"", "inf ", "<script", "href", "url(http"})
    EXPECT_EQ(svg.find(bad), std::string::npos) << bad;
}

Metrics falling_run(int steps) {
  Metrics metrics;
  for (int i = 1; i <= steps; ++i) {
    const double loss = 1.5 + 3 * std::exp(-5.0 * i / steps);
    metrics.steps.push_back({i, loss, 1e-3, 1, 40000.0 + i % 7, i * 768, i * 0.02});
    if (i % 100 == 0) metrics.evaluations.push_back({i, loss + 0.1, std::exp(loss), 2});
  }
  return metrics;
}

TEST_F(Report, TheCheckerRefusesBadXml) {
  EXPECT_EQ(xml_fault("<a b=\"1\"><c/>x &amp; y</a>"), "");
  for (const char* bad : {"<a>", "<a></b>", "<a>&</a>", "<a b=\"<\"/>", "<a/><b/>", "<a>\x01</a>",
                          "<a b=\"x&y\"/>", "<a", "x"})
    EXPECT_NE(xml_fault(bad), "") << bad;
}

TEST_F(Report, EscapesXml) {
  EXPECT_EQ(escape_xml("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;");
  EXPECT_EQ(escape_xml("déjà"), "déjà");
  EXPECT_EQ(escape_xml(std::string_view("\0\x1f\xff", 3)), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(escape_xml("\xEF\xBF\xBF"), "\xEF\xBF\xBD");
}

TEST_F(Report, SaysWhatMatters) {
  const std::string svg = render_report({"my run", 802304}, falling_run(2000));
  expect_sound(svg);
  for (const char* part : {">my run<", "802 k parameters", "2000 steps", "1.54 M tokens", "40.0 s",
                           "best 1.620 at step 2000", "nats per token", "Learning rate",
                           "tokens per second", "optimizer step", ">held-out<", ">smoothed<"})
    EXPECT_NE(svg.find(part), std::string::npos) << part;
}

TEST_F(Report, HostileNamesStayText) {
  for (const std::string name :
       {"</text><script>alert(1)</script>", "\"'&<>", "]]>", "\xff\xfe\x01", "a\nb", ""}) {
    expect_sound(render_report({name, 1}, falling_run(50)));
  }
  expect_sound(render_report({std::string(10000, 'x'), 1}, {}));
}

TEST_F(Report, AnyMetricsGiveASoundPicture) {
  const double infinity = std::numeric_limits<double>::infinity();
  const double values[] = {0, 1, -1, 1e-300, 1e300, 5e-324, infinity, -infinity, std::nan("")};
  expect_sound(render_report({"empty", 0}, {}));
  for (const double value : values) {
    for (const int count : {1, 2, 29, 30, 500}) {
      Metrics metrics;
      for (int i = 0; i < count; ++i)
        metrics.steps.push_back({i, value, value, value, value, i, value});
      metrics.evaluations.push_back({count, value, value, value});
      const std::string svg = render_report({"r", 1}, metrics);
      EXPECT_EQ(xml_fault(svg), "") << value << " " << count;
      EXPECT_EQ(svg.find("\"nan"), std::string::npos) << value << " " << count;
      EXPECT_EQ(svg.find("\"inf"), std::string::npos) << value << " " << count;
    }
  }
  Metrics gaps = falling_run(1000);
  for (size_t i = 300; i < 1000; i += 3)
    gaps.steps[i].loss = std::nan("");
  expect_sound(render_report({"gaps", 1}, gaps));
}

TEST_F(Report, ALongRunGivesASmallPicture) {
  expect_sound(render_report({"long", 1}, falling_run(100000)));
}

TEST_F(Report, ASpikeDoesNotFlattenTheRest) {
  Metrics metrics = falling_run(2000);
  metrics.steps[1000].loss = 1e6;
  const std::string svg = render_report({"spike", 1}, metrics);
  expect_sound(svg);
  EXPECT_NE(svg.find("1 step above the axis"), std::string::npos);
}

TEST_F(Report, WriteReportReadsTheRun) {
  const RunFolder run =
      RunFolder::create(folder_ / "tiny & co", {"", "", R"({"parameters":1234567})"}, false);
  MetricsWriter writer(run);
  writer.write(StepRecord{1, 2, 1e-3, 1, 100, 768, 1});
  write_report(run);
  const std::string svg = read_file(run.report());
  expect_sound(svg);
  EXPECT_NE(svg.find("1.23 M parameters"), std::string::npos);
  EXPECT_NE(svg.find("tiny &amp; co"), std::string::npos);
  write_file(run.environment(), "torn {");
  write_report(run);
  expect_sound(read_file(run.report()));
}

}  // namespace
}  // namespace cllm
