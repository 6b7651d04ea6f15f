// Tiny runs within the test's own process, in a folder of their own.
#pragma once

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "runlog/metrics.h"
#include "temporary_folder.h"
#include "train/checkpoint.h"
#include "train/run.h"

namespace cllm {

class RunTest : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    std::string text;
    for (int line = 0; line < 60; ++line)
      text += fmt::format("line {} of a text with {} lines\n", line * line % 97, 60);
    write_file(folder_ / "text.txt", text);
  }

  // Evaluated at 2, 4, 6 in some ten batches, sampled at 3 and 6, saved at the end.
  RunSettings settings() const {
    RunSettings settings;
    settings.data.train = {(folder_ / "text.txt").string()};
    settings.data.validation_fraction = 0.3;
    settings.model.context_length = 16;
    settings.model.layers = 1;
    settings.model.heads = 2;
    settings.model.width = 16;
    settings.train.steps = 6;
    settings.train.batch_size = 3;
    settings.schedule.warmup_steps = 2;
    settings.evaluation.every = 2;
    settings.checkpoint.every = 100;
    settings.checkpoint.keep = 100;
    settings.sample.every = 3;
    settings.sample.tokens = 4;
    settings.sample.prompt = "li";
    return settings;
  }
  RunFolder at(const std::string& name) const { return RunFolder::at(folder_ / name); }

  RunResult start(const RunSettings& wanted, const std::string& name,
                  const RunControls& controls = {}) {
    return start_run(wanted, folder_ / name, true, "a test", engine_, log_, controls);
  }
  RunResult resume(const std::string& name, const std::function<void(RunSettings&)>& change = {},
                   const RunControls& controls = {}) {
    RunSettings stored;
    SettingsBinder binder;
    stored.bind(binder);
    read_run_settings(at(name), binder);
    if (change) change(stored);
    return resume_run(stored, at(name), engine_, log_, controls);
  }
  // The message of the Error that `work` must end with.
  template <class Work>
  static std::string error_of(ErrorKind kind, Work work) {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "no error";
    return "";
  }
  std::map<std::string, std::string> files_of(const std::string& name) const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(folder_ / name))
      if (entry.is_regular_file()) files[entry.path().string()] = read_file(entry.path());
    return files;
  }
  // Stops at its second evaluation, since it learns nothing.
  RunResult start_that_stops_early(const std::string& name) {
    RunSettings wanted = settings();
    wanted.optimizer.kind = OptimizerSettings::Kind::kSgd;
    wanted.optimizer.learning_rate = 1e-30;  // no weight moves
    wanted.schedule.lr_scheduler = optim::ScheduleKind::kConstant;
    wanted.optimizer.weight_decay = 0;
    wanted.evaluation.patience = 1;
    return start(wanted, name);
  }

  Engine engine_{2};
  int descriptor_ = ::open((fs::temp_directory_path()).c_str(), O_TMPFILE | O_RDWR, 0600);
  Log log_{{.descriptor = descriptor_}, LogLevel::kNormal, LogFormat::kPlain};

  void TearDown() override {
    ::close(descriptor_);
    TemporaryFolder::TearDown();
  }
  std::string messages() const {
    std::string text(static_cast<size_t>(::lseek(descriptor_, 0, SEEK_END)), ' ');
    EXPECT_EQ(::pread(descriptor_, text.data(), text.size(), 0), std::ssize(text));
    return text;
  }
};

inline std::vector<std::pair<int64_t, double>> evaluations(const RunFolder& run) {
  std::vector<std::pair<int64_t, double>> all;
  for (const EvalRecord& record : read_metrics(run.metrics()).evaluations)
    all.emplace_back(record.step, record.loss);
  return all;
}

}  // namespace cllm
