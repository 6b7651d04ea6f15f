#include "base/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>

#include "base/error.h"
#include "base/file.h"

namespace cllm {
namespace {

using testing::HasSubstr;

enum class Schedule { kConstant, kCosine };
constexpr EnumName<Schedule> kScheduleNames[] = {{Schedule::kConstant, "constant"},
                                                 {Schedule::kCosine, "cosine"}};

struct Train {
  int64_t steps = 100;
  std::vector<std::string> data;
  std::string note;
  bool resume = false;
  void list(FieldList& fields) {
    fields.add("steps", steps, {.help = "optimizer steps", .minimum = 1});
    fields.add("data", data, {.help = "files or folders"});
    fields.add("note", note, {.help = "free text"});
    fields.add("resume", resume, {.help = "continue"});
  }
};

struct Optimizer {
  double learning_rate = 1e-3;
  double beta1 = 0.9;
  Schedule schedule = Schedule::kCosine;
  void list(FieldList& fields) {
    fields.add("learning_rate", learning_rate, {.minimum = 0, .above_minimum = true});
    fields.add("beta1", beta1, {.minimum = 0, .maximum = 1, .below_maximum = true});
    fields.add("schedule", schedule, kScheduleNames, {});
  }
};

class Settings : public testing::Test {
 protected:
  Settings() {
    binder.add_section("train", train, "The loop.");
    binder.add_section("optimizer", optimizer);
  }
  // The whole message of the Error (kUsage) that the action must throw.
  static std::string message(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return {};
  }
  std::string file_message(const std::string& text) {
    return message([&] { binder.apply_text(text, "a.toml", SettingSource::kFile); });
  }
  std::string set_message(const std::string& assignment) {
    return message([&] { binder.apply_assignment(assignment); });
  }

  Train train;
  Optimizer optimizer;
  SettingsBinder binder;
};

TEST_F(Settings, ReadsAFile) {
  binder.apply_text(
      "[train]\nsteps = 2_000\ndata = ['a.txt', \"b\"]\nnote = 'n'\nresume = true\n"
      "[optimizer]\nlearning_rate = 1\nschedule = \"constant\"\n",
      "a.toml", SettingSource::kFile);
  EXPECT_EQ(train.steps, 2000);
  EXPECT_EQ(train.data, (std::vector<std::string>{"a.txt", "b"}));
  EXPECT_EQ(train.note, "n");
  EXPECT_TRUE(train.resume);
  EXPECT_EQ(optimizer.learning_rate, 1.0);
  EXPECT_EQ(optimizer.schedule, Schedule::kConstant);
  EXPECT_EQ(optimizer.beta1, 0.9);
}

TEST_F(Settings, FileErrorsNameThePlaceAndTheRemedy) {
  EXPECT_EQ(file_message("[optimizer]\n  beta3 = 0.5\n"),
            "a.toml:2:3: unknown setting 'optimizer.beta3'; did you mean 'optimizer.beta1'?");
  EXPECT_EQ(file_message("\n[optimzer]\n"),
            "a.toml:2:2: unknown section [optimzer]; did you mean 'optimizer'?");
  EXPECT_EQ(file_message("[zebra]\n"),
            "a.toml:1:2: unknown section [zebra]; sections: train, optimizer");
  EXPECT_EQ(file_message("steps = 5\n"),
            "a.toml:1:1: unknown setting 'steps'; did you mean 'train.steps'?");
  EXPECT_EQ(file_message("[optimizer]\nsteps = 5\n"),
            "a.toml:2:1: unknown setting 'optimizer.steps'; did you mean 'train.steps'?");
  EXPECT_EQ(file_message("[optimizer]\nwarp = 5\n"),
            "a.toml:2:1: unknown setting 'optimizer.warp'; [optimizer] has: learning_rate, beta1, "
            "schedule");
  EXPECT_EQ(file_message("[train]\nsteps = 'x'\n"),
            "a.toml:2:1: train.steps = \"x\" has the wrong type; give an integer >= 1");
  EXPECT_EQ(file_message("[train]\nsteps = 2.5\n"),
            "a.toml:2:1: train.steps = 2.5 has the wrong type; give an integer >= 1");
  EXPECT_EQ(file_message("[train]\nsteps = 1979-05-27\n"),
            "a.toml:2:1: train.steps = (date) has the wrong type; give an integer >= 1");
  EXPECT_EQ(file_message("[train.steps]\n"),
            "a.toml:1:8: train.steps = (table) has the wrong type; give an integer >= 1");
  EXPECT_EQ(file_message("[train]\ndata = ['a', 1]\n"),
            "a.toml:2:1: train.data = (array) has the wrong type; give a list of texts");
  EXPECT_EQ(file_message("[optimizer]\nbeta1 = 1.0\n"),
            "a.toml:2:1: optimizer.beta1 = 1 is not possible; give a number >= 0 and < 1");
  EXPECT_EQ(file_message("[optimizer]\nlearning_rate = inf\n"),
            "a.toml:2:1: optimizer.learning_rate = inf is not possible; give a number > 0");
  EXPECT_EQ(file_message("[optimizer]\nschedule = 'cosin'\n"),
            "a.toml:2:1: optimizer.schedule = \"cosin\" is not possible; did you mean 'cosine'?");
  EXPECT_EQ(file_message("[optimizer]\nschedule = 'zebra'\n"),
            "a.toml:2:1: optimizer.schedule = \"zebra\" is not possible; give one of constant, "
            "cosine");
}

TEST_F(Settings, SyntaxErrorsAndDuplicatesNameThePlace) {
  EXPECT_THAT(file_message("[train]\nsteps = 1\nsteps = 2\n"), HasSubstr("a.toml:3:"));
  EXPECT_THAT(file_message("[train]\n[train]\n"), HasSubstr("a.toml:2:"));
  EXPECT_THAT(file_message("[train]\nsteps = \n"), HasSubstr("a.toml:2:"));
  EXPECT_THAT(file_message("[train]\nnote = '\xff'\n"), HasSubstr("a.toml:2:"));
}

TEST_F(Settings, AFileThatCannotBeReadIsAUsageError) {
  EXPECT_THAT(message([&] { binder.apply_file("/nowhere/a.toml"); }), HasSubstr("/nowhere/a.toml"));
}

TEST_F(Settings, AssignmentsTakeBareWordsListsAndSuffixes) {
  binder.apply_assignment("optimizer.schedule=constant");
  EXPECT_EQ(optimizer.schedule, Schedule::kConstant);
  binder.apply_assignment("train.data=a b.txt,c");
  EXPECT_EQ(train.data, (std::vector<std::string>{"a b.txt", "c"}));
  binder.apply_assignment("train.note=x = 'y' # 1");
  EXPECT_EQ(train.note, "x = 'y' # 1");
  binder.apply_assignment("optimizer.learning_rate=3e-4");
  EXPECT_EQ(optimizer.learning_rate, 3e-4);
  binder.apply_assignment("train.steps=64k");
  EXPECT_EQ(train.steps, 64000);
}

TEST_F(Settings, NumbersAcceptTheUsualShortForms) {
  const std::pair<std::string, int64_t> cases[] = {
      {"7", 7},           {"1e9", 1000000000}, {"1_000", 1000},  {"2M", 2000000},
      {"3G", 3000000000}, {"4Ki", 4096},       {"2Mi", 2097152}, {"0x10", 16}};
  for (const auto& [text, expected] : cases) {
    Train fresh;
    SettingsBinder one;
    one.add_section("train", fresh);
    one.set("train.steps", text, "--steps", SettingSource::kFlag);
    EXPECT_EQ(fresh.steps, expected) << text;
  }
  for (const char* text : {"", "k", "64q", "1.5", "2 k", "9999999999999G", "true", "'7'"})
    EXPECT_THAT(set_message("train.steps=" + std::string(text)), HasSubstr("wrong type")) << text;
  EXPECT_EQ(set_message("train.steps=-3"),
            "--set train.steps=-3: train.steps = -3 is not possible; give an integer >= 1");
}

TEST_F(Settings, QuotedTextsAndListsAreToml) {
  binder.apply_assignment("train.note=\"a\\tb\"");
  EXPECT_EQ(train.note, "a\tb");
  binder.apply_assignment("train.data=['a,b']");
  EXPECT_EQ(train.data, (std::vector<std::string>{"a,b"}));
}

TEST_F(Settings, AssignmentErrors) {
  EXPECT_EQ(set_message("train.steps"),
            "--set train.steps: there is no '='; write --set section.key=value");
  EXPECT_EQ(set_message("train.setps=1"),
            "--set train.setps=1: unknown setting 'train.setps'; did you mean 'train.steps'?");
  EXPECT_THAT(set_message("train.resume=1\ntrain.steps=2"), HasSubstr("wrong type"));
  EXPECT_THAT(set_message("train.note=\xff"), HasSubstr("train.note"));
  binder.apply_assignment("train.steps=5");
  EXPECT_EQ(set_message("train.steps=6"),
            "--set train.steps=6: train.steps was already given by --set train.steps=5; give it "
            "once");
  EXPECT_EQ(train.steps, 5);
}

TEST_F(Settings, PrecedenceHoldsInAnyOrder) {
  binder.set("train.steps", "6", "--steps", SettingSource::kFlag);
  binder.apply_assignment("train.steps=5");
  ASSERT_EQ(::setenv("CLLM_TRAIN_STEPS", "4", 1), 0);
  ASSERT_EQ(::setenv("CLLM_OPTIMIZER_BETA1", "0.5", 1), 0);
  binder.apply_environment();
  ::unsetenv("CLLM_TRAIN_STEPS");
  ::unsetenv("CLLM_OPTIMIZER_BETA1");
  const std::string text = "[train]\nsteps = 3\n[optimizer]\nbeta1 = 0.4\nlearning_rate = 2.0\n";
  binder.apply_text(text, "a.toml", SettingSource::kFile);
  binder.apply_text(text + "schedule = 'constant'\n", "preset", SettingSource::kPreset);
  EXPECT_EQ(train.steps, 6);
  EXPECT_EQ(optimizer.beta1, 0.5);
  EXPECT_EQ(optimizer.learning_rate, 2.0);
  EXPECT_EQ(optimizer.schedule, Schedule::kConstant);
  EXPECT_EQ(binder.origin("train.steps"), "--steps");
  EXPECT_EQ(binder.origin("optimizer.beta1"), "CLLM_OPTIMIZER_BETA1");
  EXPECT_EQ(binder.origin("optimizer.learning_rate"), "a.toml:5:1");
  EXPECT_EQ(binder.origin("train.note"), "default");
}

TEST_F(Settings, ALosingValueIsStillChecked) {
  binder.set("train.steps", "6", "--steps", SettingSource::kFlag);
  EXPECT_THAT(file_message("[train]\nsteps = 0\n"), HasSubstr("not possible"));
}

TEST_F(Settings, EnvironmentErrorsNameTheVariable) {
  ASSERT_EQ(::setenv("CLLM_TRAIN_RESUME", "maybe", 1), 0);
  const std::string text = message([&] { binder.apply_environment(); });
  ::unsetenv("CLLM_TRAIN_RESUME");
  EXPECT_EQ(text,
            "CLLM_TRAIN_RESUME: train.resume = 'maybe' has the wrong type; give true or false");
}

TEST_F(Settings, AMistypedVariableOfASectionIsAnError) {
  ASSERT_EQ(::setenv("CLLM_TRAIN_STPES", "3", 1), 0);
  const std::string text = message([&] { binder.apply_environment(); });
  ::unsetenv("CLLM_TRAIN_STPES");
  EXPECT_THAT(text, HasSubstr("CLLM_TRAIN_STPES"));
  EXPECT_THAT(text, HasSubstr("train.steps"));
}

TEST(SettingsDeath, TwoSettingsOfOneNameAreABug) {
  Train a, b;
  SettingsBinder binder;
  binder.add_section("train", a);
  EXPECT_DEATH(binder.add_section("train", b), "exists twice");
}

}  // namespace
}  // namespace cllm
