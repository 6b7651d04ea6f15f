#include "train/run_codes.h"

#include "crystal/prime_codes.h"
#include "crystal/small_vocabulary.h"
#include "model/model_folder.h"
#include "train/initial_model.h"
#include "train/run_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

// Runs with a composite embedding of a BPE vocabulary.
class RunCodes : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    write_file(folder_ / "words.txt", testing::small_words());
  }
  RunSettings composite() const {
    RunSettings wanted = settings();
    wanted.data.train = {(folder_ / "words.txt").string()};
    wanted.tokenizer.kind = TokenizerSettings::Kind::kBpe;
    wanted.tokenizer.vocabulary_size = 700;
    wanted.model.embedding = nn::EmbeddingKind::kComposite;
    wanted.model.embedding_dense_rows = 20;
    return wanted;
  }
  LoadedModel model_of(const std::string& name) {
    return load_model(resolve_model_folder(folder_ / name, log_));
  }
  static std::vector<float> weights(const LoadedModel& model) {
    return {model.weights.data(), model.weights.data() + model.weights.floats()};
  }
};

TEST_F(RunCodes, AreThoseOfTheTextAndLieInTheCheckpoint) {
  start(composite(), "run");
  const LoadedModel model = model_of("run");
  const ModelConfig& config = model.model->config();
  EXPECT_GT(config.embedding_primes, 256);
  const PrimeCodes primes(*model.tokenizer);
  EXPECT_EQ(config.embedding_primes, primes.primes());
  int64_t own = 0;
  for (Token token = 0; token < config.vocabulary_size; ++token) {
    const auto code = model.model->codes()->of(token);
    const bool dense = code.front() >= config.embedding_primes;
    own += dense;
    EXPECT_TRUE(dense || std::ranges::equal(code, primes.factors(token)));
  }
  EXPECT_EQ(own, 20);
  // The byte 1 is in no text.
  EXPECT_LT(model.model->codes()->of(1).front(), config.embedding_primes);
}

TEST_F(RunCodes, ResumeGoesOnBitForBit) {
  start(composite(), "straight");
  RunSettings shorter = composite();
  shorter.train.steps = 3;
  shorter.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
  RunSettings whole = composite();
  whole.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
  start(whole, "whole");
  start(shorter, "parts");
  resume("parts", [](RunSettings& settings) { settings.train.steps = 6; });
  EXPECT_EQ(weights(model_of("parts")), weights(model_of("whole")));
  EXPECT_EQ(*model_of("parts").model->codes(), *model_of("whole").model->codes());
}

// Killed before its first checkpoint, it makes the same codes again.
TEST_F(RunCodes, BeginsAgainWithoutACheckpoint) {
  for (const EmbeddingCodes kind : {EmbeddingCodes::kPrime, EmbeddingCodes::kRandom}) {
    RunSettings wanted = composite();
    wanted.model.embedding_codes = kind;
    start(wanted, "run");
    const std::vector<float> straight = weights(model_of("run"));
    const auto codes = model_of("run").model->codes();
    fs::remove_all(at("run").checkpoints());
    fs::remove(at("run").latest());
    fs::remove(at("run").best());
    resume("run");
    EXPECT_EQ(*model_of("run").model->codes(), *codes);
    EXPECT_EQ(weights(model_of("run")), straight);
  }
}

// A run that begins with a model has its codes, whatever its own text would give.
TEST_F(RunCodes, ComeWithTheInitialModel) {
  start(composite(), "first");
  RunSettings wanted = settings();
  wanted.model = ModelConfig();
  wanted.train.init = (folder_ / "first").string();
  wanted.train.steps = 1;
  take_initial_model(
      wanted, [](const std::string&) { return false; }, log_);
  start(wanted, "second");
  EXPECT_EQ(*model_of("second").model->codes(), *model_of("first").model->codes());
}

TEST_F(RunCodes, ATextOfCharactersIsRefused) {
  RunSettings wanted = composite();
  wanted.model.embedding_dense_rows = 0;
  wanted.tokenizer.kind = TokenizerSettings::Kind::kChar;
  EXPECT_THAT(error_of(ErrorKind::kUsage, [&] { start(wanted, "run"); }),
              HasSubstr("model.embedding"));
}

}  // namespace
}  // namespace cllm
