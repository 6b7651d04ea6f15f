#include "train/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/settings_text.h"
#include "train/ablation.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

// Settings after --set assignments.
struct Bound {
  explicit Bound(const std::vector<std::string>& assignments) {
    settings.bind(binder);
    for (const std::string& assignment : assignments)
      binder.apply_assignment(assignment);
  }
  RunSettings settings;
  SettingsBinder binder;
};

std::string refusal(const std::vector<std::string>& assignments) {
  try {
    Bound(assignments).settings.validate_training();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(RunSettings, ALossScaleBelongsToFp16) {
  EXPECT_EQ(refusal({"precision.mode=fp16", "precision.loss_scale=1024"}), "");
  EXPECT_EQ(refusal({"precision.mode=fp16"}), "");
  EXPECT_EQ(refusal({"precision.loss_scale=dynamic"}), "") << "as stored settings say it";
  for (const char* mode : {"fp32", "bf16"})
    EXPECT_THAT(refusal({std::string("precision.mode=") + mode, "precision.loss_scale=2048"}),
                HasSubstr("only precision.mode = fp16 has one"));
  EXPECT_THAT(refusal({"precision.loss_scale=static"}), HasSubstr("dynamic or a number >= 1"));
  EXPECT_THAT(refusal({"precision.loss_scale=0.5"}), HasSubstr("dynamic or a number >= 1"));
}

TEST(RunSettings, OnlyAVocabularyThatIsMadeHasAnOrderToChoose) {
  EXPECT_EQ(refusal({"tokenizer.order=ulam"}), "");
  EXPECT_EQ(refusal({"tokenizer.order=frequency", "tokenizer.kind=char"}), "");
  EXPECT_EQ(refusal({"tokenizer.order=identity", "tokenizer.path=somewhere"}), "");
  EXPECT_THAT(refusal({"tokenizer.order=ulam", "tokenizer.kind=byte"}),
              HasSubstr("the ids of a byte vocabulary are the bytes"));
  for (const char* given : {"tokenizer.path=somewhere", "train.init=somewhere"})
    EXPECT_THAT(refusal({"tokenizer.order=ulam", given}),
                HasSubstr("an existing tokenizer keeps the ids that it has"));
}

TEST(RunSettings, OnlyTokensWithRowsAreSortedByThem) {
  for (const char* embedding : {"dense", "factorised", "lattice"})
    EXPECT_EQ(refusal({"parallel.token_order=sorted", std::string("model.embedding=") + embedding}),
              "");
  EXPECT_THAT(refusal({"parallel.token_order=sorted", "model.embedding=composite"}),
              HasSubstr("cannot be sorted by token"));
}

// What the common settings of an ablation say of tables must not be an error of the arm without.
TEST(RunSettings, AnArmWithoutAMemoryTakesBackWhatIsSaidOfOne) {
  for (const AblationArm& arm : find_ablation("ngram-memory").arms) {
    RunSettings settings =
        Bound({"model.vocabulary_size=257", "model.ngram_rows=4096", "model.ngram_modulus_a=61",
               "model.ngram_modulus_b=59", "model.ngram_dropout=0.3"})
            .settings;
    SettingsBinder binder;
    settings.bind(binder);
    for (const std::string& assignment : arm.assignments)
      binder.apply_assignment(assignment);
    const ModelConfig& model = settings.model;
    EXPECT_NO_THROW(model.validate()) << arm.name;
    EXPECT_EQ(model.ngram_dropout, model.ngram_order > 0 ? 0.3 : 0) << arm.name;
  }
}

TEST(RunSettings, LossScalingInTheOptimizersTerms) {
  const auto scaling = [](const std::vector<std::string>& assignments) {
    return Bound(assignments).settings.loss_scaling();
  };
  EXPECT_FALSE(scaling({}).dynamic);
  EXPECT_EQ(scaling({}).fixed, 1);
  EXPECT_TRUE(scaling({"precision.mode=fp16"}).dynamic);
  EXPECT_FALSE(scaling({"precision.mode=fp16", "precision.loss_scale=1024"}).dynamic);
  EXPECT_EQ(scaling({"precision.mode=fp16", "precision.loss_scale=1024"}).fixed, 1024);
}

TEST(RunSettings, AHeadRateNeedsAHeadOfItsOwn) {
  EXPECT_THAT(refusal({"optimizer.head_learning_rate=0.005"}), HasSubstr("model.tied_head"));
  EXPECT_EQ(refusal({"optimizer.head_learning_rate=0.005", "model.tied_head=false"}), "");
  EXPECT_EQ(refusal({"optimizer.head_learning_rate=same"}), "");
  EXPECT_THAT(refusal({"optimizer.embedding_learning_rate=0"}), HasSubstr("same or a number > 0"));
}

TEST(RunSettings, AnExactReductionTakesSequencesApart) {
  for (const char* reduction : {"parallel.reduction=fixed", "parallel.reduction=super"}) {
    EXPECT_EQ(refusal({reduction, "parallel.mode=batch"}), "");
    EXPECT_THAT(refusal({reduction}), HasSubstr("only parallel.mode = batch"));
    EXPECT_THAT(refusal({reduction, "parallel.mode=auto"}), HasSubstr("set parallel.mode=batch"));
    EXPECT_THAT(refusal({reduction, "parallel.mode=batch", "train.batch_size=1048576",
                         "train.gradient_accumulation_steps=9"}),
                HasSubstr("more sequences than an exact sum can hold"));
    EXPECT_EQ(refusal({reduction, "parallel.mode=batch", "train.batch_size=1048576",
                       "train.gradient_accumulation_steps=8"}),
              "");
    EXPECT_FALSE(Bound({reduction, "parallel.mode=batch", "train.clip_norm=0"})
                     .settings.updates_in_backward());
  }
  EXPECT_EQ(refusal({"parallel.reduction=tree", "parallel.mode=auto"}), "");
}

TEST(RunSettings, StoredSettingsReadBackAlike) {
  Bound first({"optimizer.kind=muon", "precision.mode=fp16", "optimizer.muon_cautious_decay=true",
               "optimizer.embedding_learning_rate=0.015", "train.ema_decay=0.99"});
  const std::string stored = settings_toml(first.binder);
  EXPECT_THAT(stored, HasSubstr("loss_scale = \"dynamic\""));
  EXPECT_THAT(stored, HasSubstr("head_learning_rate = \"same\""));
  Bound second({});
  second.binder.apply_text(stored, "config.toml", SettingSource::kFile);
  for (size_t i = 0; i < first.binder.sections().size(); ++i)
    for (size_t j = 0; j < first.binder.sections()[i].entries.size(); ++j)
      EXPECT_EQ(first.binder.sections()[i].entries[j].field.value(),
                second.binder.sections()[i].entries[j].field.value());
  EXPECT_EQ(second.settings.optimizer.kind, OptimizerSettings::Kind::kMuon);
  EXPECT_EQ(second.settings.precision.loss_scale, 0);
  second.binder.apply_text("[precision]\nloss_scale = 2048\n", "a.toml", SettingSource::kSet);
  EXPECT_EQ(second.settings.precision.loss_scale, 2048);
}

}  // namespace
}  // namespace cllm
