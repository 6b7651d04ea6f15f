// Runs with a prior: what their checkpoints hold, and what goes on from there.
#include "train/prior.h"

#include <set>

#include "crystal/ngram_prior.h"
#include "crystal/ngram_prior_file.h"
#include "train/corpus.h"
#include "train/initial_model.h"
#include "train/run_rig.h"
#include "train/token_text.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class PriorRun : public RunTest {
 protected:
  RunSettings residual() const {
    RunSettings wanted = settings();
    wanted.model.prior_order = 4;
    return wanted;
  }
  // As the program starts a run for which these settings of the model were given.
  RunResult begin(RunSettings wanted, const std::string& name,
                  const std::set<std::string>& given = {}) {
    take_initial_model(
        wanted, [&](const std::string& key) { return given.contains(key); }, log_);
    return start(wanted, name);
  }
  Corpus corpus_of(const std::string& name) {
    const RunFolder run = at(name);
    RunSettings stored;
    SettingsBinder binder;
    stored.bind(binder);
    read_run_settings(run, binder);
    return open_corpus(stored, run.data(), Tokenizer::load(run.tokenizer()));
  }
  // ln p of the text's last token after all others, with its own occurrence left out.
  static float last_token(const LogitPrior& prior, TokenView text) {
    const std::vector<Token> tokens = tokens_of(text);
    std::vector<float> out(static_cast<size_t>(prior.vocabulary_size()));
    prior.log_probabilities(std::span(tokens).first(tokens.size() - 1), tokens.back(), out.data());
    return out[static_cast<size_t>(tokens.back())];
  }
};

// Fresh weights say next to nothing: what is measured at the start is the prior.
TEST_F(PriorRun, BeginsWhereTheCountsAre) {
  RunSettings plain = settings(), wanted = residual();
  for (RunSettings* settings : {&plain, &wanted}) {
    settings->train.steps = 1;
    settings->optimizer.learning_rate = 1e-30;
    settings->schedule.lr_scheduler = optim::ScheduleKind::kConstant;
  }
  const double before = start(plain, "plain").last.loss;
  const double after = start(wanted, "residual").last.loss;
  EXPECT_LT(after, 0.7 * before);
  EXPECT_THAT(messages(), HasSubstr("the prior: "));
}

TEST_F(PriorRun, AStoppedRunGoesOnToTheSameBytes) {
  start(residual(), "whole");
  const RunControls controls{[&] {
    std::error_code none;
    const bool third = fs::exists(at("run").metrics(), none) &&
                       read_file(at("run").metrics()).find("\"step\":3") != std::string::npos;
    return third ? RunRequest::kStop : RunRequest::kNone;
  }};
  const RunResult stopped = start(residual(), "run", controls);
  ASSERT_EQ(stopped.end, RunEnd::kInterrupted);
  ASSERT_EQ(stopped.step, 3);
  EXPECT_EQ(resume("run").checkpoint_hash,
            hash64_hex(file_hash64(at("whole").checkpoint(6) / "manifest.json")));
  EXPECT_TRUE(fs::exists(at("run").checkpoint(6) / kPriorFile));
}

TEST_F(PriorRun, ADamagedPriorMakesADamagedCheckpoint) {
  RunSettings wanted = residual();
  wanted.checkpoint.every = 3;
  start(wanted, "run");
  const fs::path file = at("run").checkpoint(6) / kPriorFile;
  std::string bytes = read_file(file);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
  write_file(file, bytes);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { verify_checkpoint(at("run").checkpoint(6)); }),
              HasSubstr("prior.safetensors: its checksum differs"));
  EXPECT_EQ(find_good_checkpoint(at("run"), log_).filename(), "step-000004");
}

// The prior of train.init comes along; what is trained on is left out of it only if it was counted.
TEST_F(PriorRun, AModelToBeginWithBringsItsPrior) {
  start(residual(), "first");
  RunSettings again = settings();
  again.model = ModelConfig();
  again.train.init = (folder_ / "first").string();
  again.train.steps = 1;
  begin(again, "same");
  const std::string other = read_file(folder_ / "text.txt");
  write_file(folder_ / "other.txt", other + other.substr(0, 400));
  RunSettings moved = again;
  moved.data.train = {(folder_ / "other.txt").string()};
  begin(moved, "other");
  for (const char* name : {"same", "other"}) {
    const ModelConfig config = load_model_config(at(name).path() / "latest");
    EXPECT_EQ(config.prior_order, 4);
    const auto counted = [](const fs::path& folder) { return read_file(folder / kPriorFile); };
    EXPECT_EQ(counted(at(name).path() / "latest"), counted(at("first").path() / "latest"));
    const Corpus corpus = corpus_of(name);
    const auto prior = open_prior(at(name).path() / "latest", config, corpus.train);
    const auto full = read_ngram_prior(at(name).path() / "latest", config);
    if (std::string(name) == "same")
      EXPECT_LT(last_token(*prior, corpus.train), last_token(*full, corpus.train));
    else
      EXPECT_EQ(last_token(*prior, corpus.train), last_token(*full, corpus.train));
  }
}

TEST_F(PriorRun, AModelWithoutOneCannotGetOne) {
  start(settings(), "first");
  RunSettings wanted = residual();
  wanted.model = ModelConfig();
  wanted.model.prior_order = 4;
  wanted.train.init = (folder_ / "first").string();
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { begin(wanted, "second", {"model.prior_order"}); }),
              HasSubstr("model.prior_order: is 4"));
}

TEST_F(PriorRun, ATextWithoutSuchAnNgramIsRefused) {
  write_file(folder_ / "text.txt", "abcd");
  RunSettings wanted = residual();
  wanted.data.validation_fraction = 0.4;
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { start(wanted, "run"); }),
              HasSubstr("has 2 tokens, and no n-gram of model.prior_order = 4"));
  EXPECT_FALSE(RunFolder::is_run(folder_ / "run"));
}

}  // namespace
}  // namespace cllm
