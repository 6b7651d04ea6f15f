#include "bench/peer_tuning.h"

#include <gmock/gmock.h>

#include "temporary_folder.h"

namespace cllm::bench {
namespace {

using PeerTuning = TemporaryFolder;

const std::vector<TuningQuestion> kQuestions = {
    {"allocator", {{"system", {}}, {"keeping", {"A=1"}}, {"fast", {"A=2", "B=3"}}}},
    {"threads", {{"free", {}}, {"bound", {"C=4"}}}}};

std::vector<std::string> names(const Tuning& tuning) {
  std::vector<std::string> result;
  for (const TuningChoice& choice : tuning)
    result.push_back(choice.name);
  return result;
}

TEST_F(PeerTuning, TakesTheBestAnswerOfEachQuestion) {
  const TuningSearch search = tune(kQuestions, [](const Tuning& tuning) {
    return (tuning[0].name == "fast" ? 10.0 : 1.0) - (tuning[1].name == "bound" ? 0.5 : 0.0);
  });
  ASSERT_EQ(search.trials.size(), 4u);
  EXPECT_THAT(names(search.trials[0].tuning), ::testing::ElementsAre("system", "free"));
  EXPECT_THAT(names(search.trials[3].tuning), ::testing::ElementsAre("fast", "bound"));
  EXPECT_THAT(names(search.best.tuning), ::testing::ElementsAre("fast", "free"));
  EXPECT_EQ(search.best.speed, 10);
  EXPECT_EQ(tuning_text(kQuestions, search.best.tuning), "allocator: fast; threads: free");
  EXPECT_THAT(tuning_environment(search.best.tuning), ::testing::ElementsAre("A=2", "B=3"));
}

TEST_F(PeerTuning, WithoutQuestionsThereIsOneTrial) {
  const TuningSearch search = tune({}, [](const Tuning&) { return 1.0; });
  EXPECT_EQ(search.trials.size(), 1u);
  EXPECT_TRUE(search.best.tuning.empty());
}

const TuningQuestion& question(const std::vector<TuningQuestion>& all, const std::string& about) {
  for (const TuningQuestion& one : all)
    if (one.about == about) return one;
  throw std::out_of_range(about);
}

TEST_F(PeerTuning, OffersOnlyWhatIsInstalled) {
  const std::vector<TuningQuestion> bare = tuning_questions(1, folder_);
  EXPECT_EQ(question(bare, "allocator").choices.size(), 2u);  // glibc, as it is and keeping memory
  EXPECT_EQ(question(bare, "BLAS").choices.size(), 1u);

  const fs::path libraries = folder_ / "usr/lib/x86_64-linux-gnu";
  fs::create_directories(libraries / "openblas-openmp");
  write_file(libraries / "openblas-openmp/libblas.so.3", "");
  write_file(libraries / "libjemalloc.so.2", "");
  const std::vector<TuningQuestion> more = tuning_questions(1, folder_);
  ASSERT_EQ(question(more, "allocator").choices.size(), 3u);
  EXPECT_THAT(question(more, "allocator").choices[2].environment,
              ::testing::Contains("LD_PRELOAD=" + (libraries / "libjemalloc.so.2").string()));
  ASSERT_EQ(question(more, "BLAS").choices.size(), 2u);
  EXPECT_EQ(question(more, "BLAS").choices[1].name, "openblas-openmp");
}

TEST_F(PeerTuning, NamesTheSystemsBlasOnce) {
  const fs::path libraries = folder_ / "usr/lib/x86_64-linux-gnu";
  for (const char* name : {"openblas-openmp", "blis-openmp"}) {
    fs::create_directories(libraries / name);
    write_file(libraries / name / "libblas.so.3", "");
  }
  fs::create_symlink(libraries / "blis-openmp/libblas.so.3", libraries / "libblas.so.3");
  const std::vector<TuningQuestion> questions = tuning_questions(1, folder_);
  EXPECT_THAT(names(question(questions, "BLAS").choices),
              ::testing::ElementsAre("blis-openmp", "openblas-openmp"));
  EXPECT_TRUE(question(questions, "BLAS").choices[0].environment.empty());
  for (const TuningQuestion& one : as_installed(questions))
    EXPECT_EQ(one.choices.size(), 1u) << one.about;
}

TEST_F(PeerTuning, NeverUsesMoreThreadsThanAllowed) {
  const TuningQuestion threads = question(tuning_questions(6, folder_), "threads");
  EXPECT_THAT(names(threads.choices), ::testing::ElementsAre("6", "3", "1"));
  EXPECT_THAT(threads.choices[0].environment, ::testing::Contains("OMP_NUM_THREADS=6"));
  EXPECT_THAT(threads.choices[2].environment, ::testing::Contains("OPENBLAS_NUM_THREADS=1"));
}

}  // namespace
}  // namespace cllm::bench
