#include "bench/report.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "temporary_folder.h"

namespace cllm::bench {
namespace {

using ::testing::HasSubstr;

Report example() {
  Report report;
  report.benchmark = "example";
  report.machine = this_machine();
  report.machine.threads = 2;
  report.machine.isa = "scalar";
  report.machine.version = "1.2.3";
  report.settings["rounds"] = 3;
  report.results.push_back({"fast",
                            "GFLOP/s",
                            Better::kHigher,
                            {100, 120, 110},
                            {{"peak_share", 0.5}, {"bytes", 2048}}});
  report.results.push_back({"slow", "s", Better::kLower, {0.5}, {{"parts", {{"a", 1}}}}});
  report.notes = {"a note"};
  return report;
}

using BenchReport = TemporaryFolder;

TEST_F(BenchReport, IsReadBackAsItWasSaved) {
  const std::string path = (folder_ / "report.json").string();
  const Report report = example();
  save_report(report, path);
  EXPECT_EQ(report_json(read_report(path)), report_json(report));
}

TEST_F(BenchReport, RefusesWhatIsNoReport) {
  const std::string path = (folder_ / "report.json").string();
  for (const char* text : {"", "{", "[]", "{\"benchmark\": 1}", "{\"benchmark\": \"x\"}"}) {
    write_file(path, text);
    try {
      read_report(path);
      ADD_FAILURE() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      EXPECT_THAT(error.what(), HasSubstr(path));
    }
  }
  Json damaged = report_json(example());
  damaged["results"][0]["samples"] = {1, "two"};
  write_file(path, damaged.dump());
  EXPECT_THROW(read_report(path), Error);
}

TEST(BenchReportJson, HasTheFieldsThatOthersReadBy) {
  const Json json = report_json(example());
  EXPECT_EQ(json.at("benchmark"), "example");
  for (const char* key : {"cpu", "cores", "threads", "isa", "caches", "memory", "kernel",
                          "compiler", "version", "commit"})
    EXPECT_TRUE(json.at("machine").contains(key)) << key;
  const Json& fast = json.at("results").at(0);
  EXPECT_EQ(fast.at("name"), "fast");
  EXPECT_EQ(fast.at("unit"), "GFLOP/s");
  EXPECT_EQ(fast.at("better"), "higher");
  EXPECT_EQ(fast.at("median"), 110);
  EXPECT_EQ(fast.at("low"), 105);
  EXPECT_EQ(fast.at("high"), 115);
  EXPECT_EQ(fast.at("samples").size(), 3);
  EXPECT_EQ(fast.at("peak_share"), 0.5);
  EXPECT_EQ(json.at("results").at(1).at("better"), "lower");
}

TEST(BenchReportTable, ShowsUnitsAndLeavesListsOut) {
  const std::string table = report_table(example());
  EXPECT_THAT(table, HasSubstr("peak share"));
  EXPECT_THAT(table, HasSubstr("50.0 %"));
  EXPECT_THAT(table, HasSubstr("2.00 KiB"));
  EXPECT_THAT(table, HasSubstr("500 ms"));
  EXPECT_THAT(table, HasSubstr("cllm 1.2.3"));
  EXPECT_THAT(table, HasSubstr("\na note\n"));
  EXPECT_EQ(table.find("parts"), std::string::npos);
}

TEST(BenchReportTable, MayBeTheReportsOwn) {
  Report report = example();
  report.table = "my table\n";
  EXPECT_THAT(report_table(report), HasSubstr("\n\nmy table\n\na note\n"));
  EXPECT_EQ(report_table(report).find("fast"), std::string::npos);
}

}  // namespace
}  // namespace cllm::bench
