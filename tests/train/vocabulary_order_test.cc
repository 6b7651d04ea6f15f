// Runs whose tokens have their ids in another order: the same training with the rows of two tables
// in other places.
#include "crystal/vocabulary_order.h"

#include "run_rig.h"
#include "train/initial_model.h"

namespace cllm {
namespace {

// The logits of a token are summed in the order of the ids, so that a loss near 3 may differ by
// some units of 2^-22 at every step, and the updates follow; all that is left after six steps must
// stay below this. Other first values change the loss a hundred times as much.
constexpr double kRounding = 1e-4;

class VocabularyOrderRun : public RunTest {
 protected:
  RunSettings settings(VocabularyOrder order, TokenizerSettings::Kind kind) const {
    RunSettings settings = RunTest::settings();
    settings.tokenizer.kind = kind;
    settings.tokenizer.vocabulary_size = 280;
    settings.tokenizer.order = order;
    return settings;
  }
  static double largest_difference(const std::vector<std::pair<int64_t, double>>& a,
                                   const std::vector<std::pair<int64_t, double>>& b) {
    EXPECT_EQ(a.size(), b.size());
    double largest = 0;
    for (size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      const double difference = std::abs(a[i].second - b[i].second);
      if (!(difference <= largest)) largest = difference;
    }
    return largest;
  }
};

constexpr TokenizerSettings::Kind kKinds[] = {TokenizerSettings::Kind::kChar,
                                              TokenizerSettings::Kind::kBpe};

TEST_F(VocabularyOrderRun, LearnsTheSameButForRounding) {
  for (const auto kind : kKinds)
    for (const bool tied : {true, false}) {
      RunSettings plain = settings(VocabularyOrder::kIdentity, kind);
      plain.model.tied_head = tied;
      start(plain, "plain");
      for (const auto order : {VocabularyOrder::kFrequency, VocabularyOrder::kUlam}) {
        RunSettings ordered = plain;
        ordered.tokenizer.order = order;
        start(ordered, "ordered");
        EXPECT_NE(Tokenizer::load(at("ordered").tokenizer()).hash(),
                  Tokenizer::load(at("plain").tokenizer()).hash());
        EXPECT_LT(largest_difference(evaluations(at("ordered")), evaluations(at("plain"))),
                  kRounding);
      }
      plain.train.seed += 1;  // what the bound must reject
      start(plain, "other");
      EXPECT_GT(largest_difference(evaluations(at("other")), evaluations(at("plain"))),
                10 * kRounding);
    }
}

TEST_F(VocabularyOrderRun, TheIdentityIsTheSameRunAsWithoutTheSetting) {
  RunSettings plain = RunTest::settings();
  const std::string hash = start(plain, "plain").checkpoint_hash;
  plain.tokenizer.order = VocabularyOrder::kIdentity;
  EXPECT_EQ(start(plain, "identity").checkpoint_hash, hash);
}

TEST_F(VocabularyOrderRun, GoesOnWithTheSameBits) {
  for (const auto kind : kKinds) {
    const RunSettings wanted = settings(VocabularyOrder::kUlam, kind);
    int polls = 0;
    const RunResult whole = start(wanted, "whole", {[&] {
                                    ++polls;
                                    return RunRequest::kNone;
                                  }});
    int asked = 0;
    const RunResult stopped =
        start(wanted, "run",
              {[&] { return ++asked >= polls - 20 ? RunRequest::kStop : RunRequest::kNone; }});
    ASSERT_EQ(stopped.end, RunEnd::kInterrupted);
    EXPECT_EQ(resume("run").checkpoint_hash, whole.checkpoint_hash);
  }
}

// A kill before the first checkpoint leaves a run that begins again, with the rows in their places.
TEST_F(VocabularyOrderRun, BeginsAgainWithTheSameBits) {
  const RunSettings wanted = settings(VocabularyOrder::kFrequency, TokenizerSettings::Kind::kChar);
  const std::string hash = start(wanted, "run").checkpoint_hash;
  fs::remove_all(at("run").checkpoints());
  fs::remove(at("run").latest());
  fs::remove(at("run").best());
  EXPECT_EQ(resume("run").checkpoint_hash, hash);
}

TEST_F(VocabularyOrderRun, AModelIsTrainedOnWithItsOwnIds) {
  start(settings(VocabularyOrder::kUlam, TokenizerSettings::Kind::kChar), "first");
  RunSettings second = settings(VocabularyOrder::kIdentity, TokenizerSettings::Kind::kAuto);
  second.train.init = (folder_ / "first").string();
  take_initial_model(
      second, [](const std::string&) { return false; }, log_);
  start(second, "second");
  EXPECT_EQ(Tokenizer::load(at("second").tokenizer()).hash(),
            Tokenizer::load(at("first").tokenizer()).hash());
  EXPECT_LT(evaluations(at("second")).front().second, evaluations(at("first")).front().second);
}

TEST_F(VocabularyOrderRun, PreparedTokensKeepTheirIds) {
  start(settings(VocabularyOrder::kIdentity, TokenizerSettings::Kind::kChar), "plain");
  RunSettings wanted = settings(VocabularyOrder::kUlam, TokenizerSettings::Kind::kAuto);
  wanted.data.train = {(at("plain").data() / "train").string()};
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { start(wanted, "run"); }),
              ::testing::HasSubstr("tokenizer.order: tokens have the ids that they have"));
}

}  // namespace
}  // namespace cllm
