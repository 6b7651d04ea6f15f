#include "bench/shortlist.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>

#include "base/error.h"
#include "crystal/embedding_codes.h"
#include "kernels/table.h"

namespace cllm::bench {
namespace {

class Shortlists : public ::testing::Test {
 protected:
  Report measure(ShortlistSubject subject, const ShortlistWanted& wanted) const {
    Report report;
    measure_shortlists(
        context_, std::move(subject), wanted, 2, [] {}, {}, report);
    return report;
  }
  ShortlistSubject nano() const { return random_shortlist_subject(bench_preset("nano"), pool_); }

  mutable ThreadPool pool_{2};
  ops::Context context_{pool_, kernels::chosen_table()};
};

const Result& find(const Report& report, const std::string& name) {
  const auto found = std::ranges::find(report.results, name, &Result::name);
  if (found == report.results.end()) throw std::runtime_error("no result " + name);
  return *found;
}

double recall(const Report& report, const std::string& name, int top) {
  return find(report, name).extra.at("recall_" + std::to_string(top) + "_share").get<double>();
}

TEST_F(Shortlists, MeasureEveryCombinationBesideAllLogitsAndTheControls) {
  const Report report = measure(
      nano(), {.queries = 12, .candidates = {65, 13}, .bits = {64, 128}, .query_bits = {1, 4}});
  ASSERT_EQ(report.results.size(), 2u + 2 * (4 + 2));
  EXPECT_EQ(report.results[0].name, "head");
  EXPECT_EQ(report.results[1].name, "head and choice");
  for (const Result& result : report.results) {
    ASSERT_EQ(result.samples.size(), 2u) << result.name;
    for (const double seconds : result.samples)
      EXPECT_TRUE(seconds > 0) << result.name;
  }
  EXPECT_EQ(report.settings.at("vocabulary"), 65);
  EXPECT_EQ(report.settings.at("queries"), 12);
  EXPECT_EQ(report.settings.at("width"), 128);
}

// The figures must be those of the lists: everything is found among all tokens, and of the 40
// likeliest no more than 13 among 13, which are what one control chooses whatever the state is.
TEST_F(Shortlists, RecallIsThatOfTheCandidates) {
  const Report report =
      measure(nano(), {.queries = 20, .candidates = {65, 13}, .bits = {1024}, .query_bits = {8}});
  for (const int top : {1, 40}) {
    EXPECT_EQ(recall(report, "shortlist 65, 1024 bits, query 8", top), 1);
    EXPECT_EQ(recall(report, "gcd of ids 65 (control)", top), 1);
    EXPECT_EQ(recall(report, "first ids 65 (control)", top), 1);
  }
  for (const char* name :
       {"shortlist 13, 1024 bits, query 8", "gcd of ids 13 (control)", "first ids 13 (control)"})
    EXPECT_TRUE(recall(report, name, 40) <= 13.0 / 40 + 1e-12) << name;
  EXPECT_TRUE(recall(report, "shortlist 13, 1024 bits, query 8", 40) >
              recall(report, "first ids 13 (control)", 40));
  EXPECT_TRUE(recall(report, "shortlist 13, 1024 bits, query 8", 1) > 0.5);
}

TEST_F(Shortlists, AShortTextIsEnough) {
  ShortlistSubject subject = nano();
  subject.tokens.resize(3);
  const Report report = measure(
      std::move(subject), {.queries = 100, .candidates = {8}, .bits = {64}, .query_bits = {1}});
  EXPECT_EQ(report.settings.at("queries").get<int64_t>(), 32 * 3) << "32 windows of the whole text";
}

TEST_F(Shortlists, RefuseWhatTheyCannotServe) {
  EXPECT_THROW(
      (ShortlistWanted{.candidates = {8}, .bits = {64, 100}, .query_bits = {1}}).validate(), Error);
  EXPECT_NO_THROW((ShortlistWanted{.candidates = {8}, .bits = {64}, .query_bits = {1}}).validate());
  ModelConfig config = bench_model(bench_preset("nano"));
  config.embedding = nn::EmbeddingKind::kComposite;
  config.embedding_primes = 40;
  ShortlistSubject subject = nano();
  subject.model = std::make_unique<const Transformer>(config, stand_in_codes(config));
  EXPECT_THROW(measure(std::move(subject), {.candidates = {8}, .bits = {64}, .query_bits = {1}}),
               Error);
}

TEST_F(Shortlists, StopWhenAsked) {
  Report report;
  EXPECT_THROW(measure_shortlists(
                   context_, nano(), {.candidates = {8}, .bits = {64}, .query_bits = {1}}, 1,
                   [] { throw std::runtime_error("stop"); }, {}, report),
               std::runtime_error);
  EXPECT_TRUE(report.results.empty());
}

}  // namespace
}  // namespace cllm::bench
