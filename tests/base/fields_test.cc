#include "base/fields.h"

#include <gtest/gtest.h>

#include <cmath>

namespace cllm {
namespace {

enum class Color { kRed, kGreen };
constexpr EnumName<Color> kColorNames[] = {{Color::kRed, "red"}, {Color::kGreen, "green"}};

struct Sample {
  bool on = true;
  int64_t count = 3;
  double share = 0.5;
  std::string name = "a";
  std::vector<std::string> paths;
  Color color = Color::kGreen;

  void list(FieldList& fields) {
    fields.add("on", on, {.help = "switch"});
    fields.add("count", count, {.help = "how many", .unit = "steps", .minimum = 1, .maximum = 10});
    fields.add("share", share, {.minimum = 0, .maximum = 1, .above_minimum = true});
    fields.add("name", name, {});
    fields.add("paths", paths, {});
    fields.add("color", color, kColorNames, {});
  }
};

class Fields : public testing::Test {
 protected:
  Fields() { sample.list(list); }
  Field& field(const std::string& name) {
    for (Field& candidate : list.fields())
      if (candidate.name() == name) return candidate;
    throw std::out_of_range(name);
  }
  using Outcome = Field::Outcome;
  Sample sample;
  FieldList list;
};

TEST_F(Fields, AssignStoresIntoTheStruct) {
  EXPECT_EQ(field("on").assign(false), Outcome::kDone);
  EXPECT_EQ(field("count").assign(int64_t{7}), Outcome::kDone);
  EXPECT_EQ(field("share").assign(0.25), Outcome::kDone);
  EXPECT_EQ(field("name").assign(std::string("b")), Outcome::kDone);
  EXPECT_EQ(field("paths").assign(std::vector<std::string>{"x", "y"}), Outcome::kDone);
  EXPECT_EQ(field("color").assign(std::string("red")), Outcome::kDone);
  EXPECT_FALSE(sample.on);
  EXPECT_EQ(sample.count, 7);
  EXPECT_EQ(sample.share, 0.25);
  EXPECT_EQ(sample.name, "b");
  EXPECT_EQ(sample.paths, (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(sample.color, Color::kRed);
  EXPECT_EQ(std::get<std::string>(field("color").value()), "red");
  EXPECT_EQ(std::get<std::string>(field("color").default_value()), "green");
}

TEST_F(Fields, NumbersConvertOnlyWithoutLoss) {
  EXPECT_EQ(field("count").assign(4.0), Outcome::kDone);
  EXPECT_EQ(sample.count, 4);
  EXPECT_EQ(field("count").assign(4.5), Outcome::kWrongType);
  EXPECT_EQ(field("count").assign(1e300), Outcome::kWrongType);
  EXPECT_EQ(field("count").assign(std::nan("")), Outcome::kWrongType);
  EXPECT_EQ(field("share").assign(int64_t{1}), Outcome::kDone);
  EXPECT_EQ(sample.share, 1.0);
}

TEST_F(Fields, RefusesWrongTypesAndLeavesTheValue) {
  EXPECT_EQ(field("on").assign(int64_t{1}), Outcome::kWrongType);
  EXPECT_EQ(field("count").assign(std::string("7")), Outcome::kWrongType);
  EXPECT_EQ(field("share").assign(true), Outcome::kWrongType);
  EXPECT_EQ(field("name").assign(int64_t{1}), Outcome::kWrongType);
  EXPECT_EQ(field("paths").assign(std::string("x")), Outcome::kWrongType);
  EXPECT_EQ(field("color").assign(int64_t{0}), Outcome::kWrongType);
  EXPECT_TRUE(sample.on);
  EXPECT_EQ(sample.count, 3);
  EXPECT_EQ(sample.share, 0.5);
}

TEST_F(Fields, RefusesWhatIsOutOfRange) {
  EXPECT_EQ(field("count").assign(int64_t{0}), Outcome::kOutOfRange);
  EXPECT_EQ(field("count").assign(int64_t{1}), Outcome::kDone);
  EXPECT_EQ(field("count").assign(int64_t{11}), Outcome::kOutOfRange);
  EXPECT_EQ(field("share").assign(0.0), Outcome::kOutOfRange) << "the minimum is excluded";
  EXPECT_EQ(field("share").assign(std::nan("")), Outcome::kOutOfRange);
  EXPECT_EQ(field("color").assign(std::string("blue")), Outcome::kOutOfRange);
  EXPECT_EQ(sample.share, 0.5);
}

TEST(FieldsOpenRange, InfinityIsNeverANumber) {
  double free = 0;
  FieldList list;
  list.add("free", free, {});
  EXPECT_EQ(list.fields()[0].assign(INFINITY), Field::Outcome::kOutOfRange);
  EXPECT_EQ(list.fields()[0].assign(-INFINITY), Field::Outcome::kOutOfRange);
  EXPECT_EQ(list.fields()[0].assign(-1e308), Field::Outcome::kDone);
}

TEST(FieldsZeroWord, StandsForZero) {
  double scale = 0;
  FieldList list;
  list.add("scale", scale, {.minimum = 1, .zero_word = "dynamic"});
  Field& field = list.fields()[0];
  EXPECT_EQ(field.value(), FieldValue("dynamic"));
  EXPECT_EQ(field.expectation(), "dynamic or a number >= 1");
  EXPECT_EQ(field.assign(int64_t{1024}), Field::Outcome::kDone);
  EXPECT_EQ(scale, 1024);
  EXPECT_EQ(field.value(), FieldValue(1024.0));
  EXPECT_EQ(field.assign(std::string("static")), Field::Outcome::kWrongType);
  EXPECT_EQ(field.assign(0.0), Field::Outcome::kOutOfRange);
  EXPECT_EQ(scale, 1024);
  EXPECT_EQ(field.assign(std::string("dynamic")), Field::Outcome::kDone);
  EXPECT_EQ(scale, 0);
}

TEST(FieldsDeath, ADefaultOutsideItsRangeIsABug) {
  const auto add = [] {
    int64_t count = 0;
    FieldList list;
    list.add("count", count, {.minimum = 1});
  };
  EXPECT_DEATH(add(), "default of count is not an integer >= 1");
}

TEST_F(Fields, SaysWhatFits) {
  EXPECT_EQ(field("on").expectation(), "true or false");
  EXPECT_EQ(field("count").expectation(), "an integer >= 1 and <= 10");
  EXPECT_EQ(field("share").expectation(), "a number > 0 and <= 1");
  EXPECT_EQ(field("color").expectation(), "one of red, green");
}

TEST(TomlLiteral, IsValidTomlText) {
  EXPECT_EQ(toml_literal(true), "true");
  EXPECT_EQ(toml_literal(int64_t{-5}), "-5");
  EXPECT_EQ(toml_literal(0.1), "0.1");
  EXPECT_EQ(toml_literal(5.0), "5.0");
  EXPECT_EQ(toml_literal(-0.0), "-0.0");
  EXPECT_EQ(toml_literal(1e-8), "1e-08");
  EXPECT_EQ(toml_literal(std::string("a\"b\\c\n\x7f")), "\"a\\\"b\\\\c\\u000A\\u007F\"");
  EXPECT_EQ(toml_literal(std::vector<std::string>{"a", "b"}), "[\"a\", \"b\"]");
  EXPECT_EQ(toml_literal(std::vector<std::string>{}), "[]");
}

}  // namespace
}  // namespace cllm
