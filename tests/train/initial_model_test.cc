#include "train/initial_model.h"

#include <set>

#include "model/model_folder.h"
#include "train/run_rig.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class InitialModel : public RunTest {
 protected:
  void SetUp() override {
    RunTest::SetUp();
    start(settings(), "first");
  }
  // Of one step with a rate that moves nothing.
  RunSettings from_first() const {
    RunSettings wanted = settings();
    wanted.model = ModelConfig();
    wanted.train.init = (folder_ / "first").string();
    wanted.train.steps = 1;
    wanted.optimizer.learning_rate = 1e-30;
    wanted.optimizer.weight_decay = 0;
    wanted.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
    return wanted;
  }
  // As the program starts a run for which these settings of the model were given.
  RunResult begin(RunSettings wanted, const std::string& name,
                  const std::set<std::string>& given = {}) {
    take_initial_model(
        wanted, [&](const std::string& key) { return given.contains(key); }, log_);
    return start(wanted, name);
  }
  std::vector<float> weights(const std::string& name) {
    const LoadedModel loaded = load_model(resolve_model_folder(folder_ / name, log_));
    return {loaded.weights.data(), loaded.weights.data() + loaded.weights.floats()};
  }
};

TEST_F(InitialModel, BringsWeightsShapeAndTokenizer) {
  begin(from_first(), "second");
  EXPECT_EQ(weights("second"), weights("first"));
  EXPECT_EQ(read_file(at("second").tokenizer()), read_file(at("first").tokenizer()));
}

TEST_F(InitialModel, DropoutAndAShorterContextAreTheRuns) {
  RunSettings wanted = from_first();
  wanted.model.context_length = 8;
  wanted.model.dropout = 0.5;
  begin(wanted, "second", {"model.context_length", "model.dropout"});
  const ModelConfig config = load_model_config(at("second").path() / "latest");
  EXPECT_EQ(config.context_length, 8);
  EXPECT_EQ(config.dropout, 0.5);
  EXPECT_EQ(config.width, 16);
}

TEST_F(InitialModel, AnotherShapeIsRefused) {
  RunSettings wanted = from_first();
  const auto refusal = [&](const std::string& key) {
    return error_of(ErrorKind::kUsage, [&] { begin(wanted, "second", {key}); });
  };
  wanted.model.width = 32;
  EXPECT_THAT(refusal("model.width"), HasSubstr("model.width: is 32"));
  wanted = from_first();
  EXPECT_THAT(refusal("model.width"), HasSubstr("model.width: is 384")) << "given at its default";
  EXPECT_EQ(wanted.model.context_length, 256);
  EXPECT_THAT(refusal("model.context_length"), HasSubstr("model.context_length: is 256"));
  wanted.train.init = (folder_ / "nothing").string();
  EXPECT_THAT(refusal("model.width"), HasSubstr("does not exist"));
}

// Killed before its first checkpoint, it begins with the same weights again.
TEST_F(InitialModel, BeginsAgainWithoutACheckpoint) {
  begin(from_first(), "second");
  const std::vector<float> straight = weights("second");
  fs::remove_all(at("second").checkpoints());
  fs::remove(at("second").latest());
  fs::remove(at("second").best());
  resume("second");
  EXPECT_EQ(weights("second"), straight);
}

}  // namespace
}  // namespace cllm
