// The whole of `cllm bench peers` with a stand-in for PyTorch, which replays the losses that our
// own trainer gives: it does the same work, as far as the command can see.
#include "bench/peers.h"

#include <gmock/gmock.h>

#include <memory>

#include "base/error.h"
#include "bench/fake_peer.h"
#include "temporary_folder.h"

namespace cllm::bench {
namespace {

using ::testing::AllOf;
using ::testing::Each;
using ::testing::Gt;
using ::testing::HasSubstr;

const PeerJob kJob{.preset = "nano", .precision = "fp32", .batch_size = 2, .context_length = 8};

std::string json_list(const std::vector<double>& values) {
  return nlohmann::json(values).dump();
}

class Peers : public TemporaryFolder {
 protected:
  // Answers `run STEPS FILE` with the first three steps that a trainer makes, changed by `change`;
  // more steps are only timed, at a millisecond each.
  std::string replaying(const std::function<void(StepResult&)>& change = {}) const {
    const RunSettings settings = peer_settings(kJob);
    const Transformer model(settings.model);
    const TokenDataset tokens = peer_tokens(settings);
    Trainer trainer(model, engine_.context(), settings, tokens.all());
    trainer.initialise();
    std::vector<double> losses, norms;
    for (int i = 0; i < 3; ++i) {
      StepResult step = trainer.step();
      if (change) change(step);
      losses.push_back(step.loss);
      norms.push_back(step.gradient_norm);
    }
    return fmt::format(R"(
      echo '{{"ready": {{"torch": "0.0 stand-in"}}}}'
      while read -r run steps file; do
        [ -s "$file" ] || exit 9
        echo '{{"seconds": 0.003, "peak_bytes": 4096, "losses": {}, "gradient_norms": {}}}'
      done)",
                       json_list(losses), json_list(norms));
  }

  Report run(const std::string& script, PeersOptions options = {}) {
    options.command = fake_peer(folder_, script);
    options.rounds = 3;
    options.seconds = 0.001;
    Report report;
    run_peers(kJob, options, {.engine = engine_, .folder = folder_}, report);
    return report;
  }

  std::string failure(const std::string& script, const PeersOptions& options = {}) {
    try {
      run(script, options);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
      return error.what();
    }
    return "no error";
  }

  Engine engine_{1};
};

TEST_F(Peers, ReportsBothSidesAndTheirRatio) {
  const Report report = run(replaying());
  ASSERT_EQ(report.results.size(), 2u);
  EXPECT_EQ(report.results[0].name, "nano fp32 cllm");
  EXPECT_EQ(report.results[1].name, "nano fp32 pytorch");
  for (const Result& result : report.results) {
    EXPECT_EQ(result.unit, "tokens/s");
    EXPECT_EQ(result.samples.size(), 3u);
    EXPECT_THAT(result.samples, Each(Gt(0)));
  }
  const Json& ours = report.results[0].extra;
  EXPECT_LE(ours["ratio_low"], ours["ratio"]);
  EXPECT_LE(ours["ratio"], ours["ratio_high"]);
  EXPECT_EQ(ours["confidence_share"], 0.75);
  EXPECT_EQ(report.results[1].extra["memory_bytes"], 4096);
  EXPECT_THAT(report.notes, ::testing::Contains(HasSubstr("0.0 stand-in")));
}

TEST_F(Peers, TellsHowThePeerWasSetUp) {
  PeersOptions options;
  options.questions = {{"colour", {{"none", {}}, {"red", {"PEER_COLOUR=red"}}}}};
  const Report report = run(replaying(), options);
  const Json& peer = report.results[1].extra["peer"];
  EXPECT_EQ(peer["trials"].size(), 2u);
  EXPECT_THAT(peer["tuning"].get<std::string>(), HasSubstr("colour: "));
  EXPECT_THAT(report.notes, ::testing::Contains(HasSubstr("colour: ")));
}

TEST_F(Peers, AnotherLossIsRefused) {
  const std::string text = failure(replaying([](StepResult& step) { step.loss *= 1.001; }));
  EXPECT_THAT(text, AllOf(HasSubstr("step 1"), HasSubstr("do not do the same work")));
}

TEST_F(Peers, AnotherGradientIsRefused) {
  EXPECT_THAT(failure(replaying([](StepResult& step) { step.gradient_norm *= 1.01; })),
              HasSubstr("the gradient norm"));
}

TEST_F(Peers, DeathIsTold) {
  EXPECT_THAT(failure(R"(
                echo '{"ready": {}}'; read -r line; echo 'torch: out of memory' >&2; exit 1)"),
              AllOf(HasSubstr("exit code 1"), HasSubstr("torch: out of memory")));
}

TEST_F(Peers, HangingIsCutOff) {
  PeersOptions options;
  options.timeout = 0.3;
  EXPECT_THAT(failure("echo '{\"ready\": {}}'; read -r line; sleep 60", options),
              HasSubstr("no answer within 0.3 seconds"));
}

TEST_F(Peers, MissingPackageIsNamed) {
  EXPECT_THAT(failure("echo '{\"missing\": \"torch: No module named torch\"}'"),
              AllOf(HasSubstr("lacks torch"), HasSubstr("apt-get install python3-torch")));
}

TEST_F(Peers, StrangeAnswerIsRefused) {
  EXPECT_THAT(failure("echo '{\"ready\": {}}'; read -r line; echo '{\"seconds\": \"fast\"}'"),
              HasSubstr("not understood"));
}

TEST(PeerJobTest, OnlyModelsThatThePeerKnows) {
  PeerJob job = kJob;
  job.preset = "llama-15m";
  try {
    peer_settings(job);
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("nano, baby and gpt2"));
  }
}

TEST(PeerJobTest, TheFileHoldsTheBatchesOfTheTrainer) {
  const RunSettings settings = peer_settings(kJob);
  const TokenDataset tokens = peer_tokens(settings);
  std::string name = (fs::temp_directory_path() / "cllm-peers-XXXXXX").string();
  ASSERT_NE(mkdtemp(name.data()), nullptr);
  const fs::path path = fs::path(name) / "batches.bin";
  PeerBatches(settings, tokens.all()).write(path, 3);
  const std::string bytes = read_file(path);
  fs::remove_all(name);
  std::vector<int32_t> written(bytes.size() / sizeof(int32_t));
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(written.data()));

  std::vector<int32_t> expected(3 * 2 * 2 * 8);
  BatchLoader loader(tokens.all(), 2, 8, static_cast<uint64_t>(settings.train.seed));
  for (size_t step = 0; step < 3; ++step)
    loader.next(&expected[step * 32], &expected[step * 32 + 16]);
  EXPECT_EQ(written, expected);
}

}  // namespace
}  // namespace cllm::bench
