#include "base/settings_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <sstream>

#include "base/philox.h"

namespace cllm {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

struct Values {
  double share = 0.5;
  double offset = 0;
  int64_t count = 1;
  std::string words = "a|b";
  std::vector<std::string> places;
  bool on = false;
  void list(FieldList& fields) {
    fields.add("share", share, {.help = "a share of the whole", .unit = "tokens"});
    fields.add("offset", offset, {.help = "another"});
    fields.add("count", count, {.help = "how many"});
    fields.add("words", words, {.help = "what is said"});
    fields.add("places", places, {.help = "where it is"});
    fields.add("on", on, {.help = "a switch"});
  }
};

// Reads the printed settings into fresh ones.
Values reread(Values values) {
  SettingsBinder binder;
  binder.add_section("sample", values);
  Values fresh;
  SettingsBinder reader;
  reader.add_section("sample", fresh);
  reader.apply_text(settings_toml(binder), "printed", SettingSource::kFile);
  return fresh;
}

TEST(SettingsText, TomlReadsBackTheSameBits) {
  const Philox random(1, RandomStream::kTest);
  Values values;
  for (uint64_t i = 0; i < 2000; ++i) {
    const auto bits = random.bits(0, i);
    const double number = std::bit_cast<double>(static_cast<uint64_t>(bits[0]) << 32 | bits[1]);
    if (!std::isfinite(number)) continue;
    values.share = number;
    const Values fresh = reread(values);
    ASSERT_EQ(std::bit_cast<uint64_t>(fresh.share), std::bit_cast<uint64_t>(number)) << number;
  }
}

TEST(SettingsText, TomlReadsBackTheExtremes) {
  using Limits = std::numeric_limits<double>;
  for (const double number : {-0.0, 5.0, 1e16, 1e22, Limits::max(), Limits::min(),
                              Limits::denorm_min(), Limits::lowest(), 0x1.0p53 + 2}) {
    Values values;
    values.share = number;
    EXPECT_EQ(std::bit_cast<uint64_t>(reread(values).share), std::bit_cast<uint64_t>(number))
        << number;
  }
  for (const int64_t count : {std::numeric_limits<int64_t>::min(),
                              std::numeric_limits<int64_t>::max(), int64_t{1} << 60}) {
    Values values;
    values.count = count;
    EXPECT_EQ(reread(values).count, count);
  }
}

TEST(SettingsText, TomlReadsBackTextsWithEveryCharacter) {
  Values values;
  values.words = "ä\"\\'\t\r\n\x01\x7f 漢 \xf0\x9f\x92\x8e # = [";
  values.places = {"", "a,b", "c\"d", values.words};
  values.on = true;
  const Values fresh = reread(values);
  EXPECT_EQ(fresh.words, values.words);
  EXPECT_EQ(fresh.places, values.places);
  EXPECT_TRUE(fresh.on);
}

TEST(SettingsText, TomlIsCommented) {
  Values values;
  SettingsBinder binder;
  binder.add_section("sample", values, "What is sampled.");
  binder.apply_assignment("sample.share=0.25");
  EXPECT_THAT(settings_toml(binder),
              StartsWith("# What is sampled.\n[sample]\n"
                         "# a share of the whole [tokens] (a number; default 0.5)\n"
                         "share = 0.25\n"
                         "# another (a number; default 0.0)\n"));
}

TEST(SettingsText, HelpShowsDefaultsAndKeepsTheWidth) {
  Values values;
  values.words = std::string(60, 'w');
  SettingsBinder binder;
  binder.add_section("sample", values, "What is sampled.");
  binder.apply_assignment("sample.count=3");
  const std::string text = settings_help(binder, 60);
  EXPECT_THAT(text, HasSubstr("[sample] What is sampled.\n"));
  EXPECT_THAT(text, HasSubstr("  sample.count=1                      how many (an integer)\n"));
  EXPECT_THAT(text, HasSubstr("a share of the whole\n" + std::string(38, ' ') + "[tokens]"));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    if (line.find("www") == std::string::npos) {
      EXPECT_LE(line.size(), 60U) << line;
    }
}

}  // namespace
}  // namespace cllm
