#include "runlog/run_folder.h"

#include "base/error.h"
#include "runlog/run_lock.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

class Runs : public TemporaryFolder {
 protected:
  RunFolder create(bool overwrite = false) {
    return RunFolder::create(folder_ / "run", {"[model]\n", "cllm train\n", "{}"}, overwrite);
  }
  // The message of the kUsage Error that create() throws, or "".
  std::string refusal(bool overwrite) {
    try {
      create(overwrite);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      return error.what();
    }
  }
};

TEST_F(Runs, CreateThenOpen) {
  const RunFolder made = create();
  EXPECT_EQ(read_file(made.config()), "[model]\n");
  EXPECT_EQ(read_file(made.command()), "cllm train\n");
  EXPECT_EQ(read_file(made.environment()), "{}");
  EXPECT_EQ(read_file(made.metrics()), "");
  EXPECT_TRUE(fs::is_directory(made.samples()));
  EXPECT_TRUE(fs::is_directory(made.checkpoints()));
  const RunFolder opened = RunFolder::open(folder_ / "run/");
  EXPECT_EQ(opened.path(), made.path());
  EXPECT_EQ(opened.name(), "run");
  EXPECT_EQ(opened.checkpoint(500), made.path() / "checkpoints" / "step-000500");
  EXPECT_EQ(opened.sample(1234567), made.path() / "samples" / "step-1234567.txt");
}

TEST_F(Runs, OpenRefusesWhatIsNotARun) {
  EXPECT_THROW(RunFolder::open(folder_), Error);
  EXPECT_THROW(RunFolder::open(folder_ / "missing"), Error);
}

TEST_F(Runs, AnExistingRunNeedsOverwriteOrResume) {
  create();
  const std::string text = refusal(false);
  EXPECT_NE(text.find("--overwrite"), std::string::npos);
  EXPECT_NE(text.find("cllm resume"), std::string::npos);
}

TEST_F(Runs, OverwriteRemovesTheRunAndNothingElse) {
  const RunFolder old = create();
  write_file(folder_ / "elsewhere", "kept");
  for (const fs::path& file : {old.metrics(), old.metrics_csv(), old.report(), old.tokenizer(),
                               old.stop_file(), old.sample(3)})
    write_file(file, "old");
  make_folder(old.checkpoint(3));
  make_folder(old.checkpoints() / ".tmp-step-000004");
  write_file(old.checkpoint(3) / "model.safetensors", "old");
  replace_symlink("checkpoints/step-000003", old.latest());
  replace_symlink("../elsewhere", old.best());
  write_file(old.path() / "notes.txt", "mine");
  write_file(old.checkpoints() / "thoughts.txt", "mine");

  const RunFolder run = create(true);
  EXPECT_EQ(read_file(run.metrics()), "");
  for (const fs::path& gone :
       {run.metrics_csv(), run.report(), run.tokenizer(), run.stop_file(), run.sample(3),
        run.checkpoint(3), run.checkpoints() / ".tmp-step-000004", run.latest(), run.best()})
    EXPECT_FALSE(fs::exists(fs::symlink_status(gone))) << gone;
  EXPECT_EQ(read_file(run.path() / "notes.txt"), "mine");
  EXPECT_EQ(read_file(run.checkpoints() / "thoughts.txt"), "mine");
  EXPECT_EQ(read_file(folder_ / "elsewhere"), "kept");
}

TEST_F(Runs, AFolderThatIsNotARunIsNeverTouched) {
  make_folder(folder_ / "run" / "checkpoints");
  write_file(folder_ / "run" / "metrics.jsonl", "precious");
  EXPECT_NE(refusal(false).find("not a run"), std::string::npos);
  EXPECT_NE(refusal(true).find("not a run"), std::string::npos);
  EXPECT_EQ(read_file(folder_ / "run" / "metrics.jsonl"), "precious");
}

TEST_F(Runs, WhatAKilledStartLeftCountsAsEmpty) {
  const RunFolder run = RunFolder::at(folder_ / "run");
  make_folder(run.path());
  write_file(RunLock::file(run.path()), "");
  write_file(run.path() / "notes.txt", "mine");
  write_file(run.metrics(), "old");
  EXPECT_THROW(RunFolder::open(run.path()), Error);
  create();
  EXPECT_EQ(read_file(run.metrics()), "");
  EXPECT_EQ(read_file(run.path() / "notes.txt"), "mine");
}

TEST_F(Runs, ACreationThatFailsLeavesNothing) {
  const auto fill = [] { throw Error(ErrorKind::kRuntime, "", "the disk is full", ""); };
  EXPECT_THROW(RunFolder::create(folder_ / "run", {"", "", "{}"}, false, fill), Error);
  EXPECT_TRUE(fs::is_empty(folder_ / "run"));
}

TEST_F(Runs, OnlyDataOfTheRunIsRemoved) {
  const RunFolder run = create();
  for (const char* name : {"train", "validation"})
    make_folder(run.data() / name);
  for (const char* name : {"input.txt", "tokens.txt", "stories-train.jsonl", "notes.txt"})
    write_file(run.data() / name, "");
  create(true);
  EXPECT_TRUE(fs::exists(run.data() / "notes.txt"));
  EXPECT_EQ(std::distance(fs::directory_iterator(run.data()), fs::directory_iterator()), 1);
}

TEST_F(Runs, LeftoversOfKilledWritersGo) {
  const RunFolder run = create();
  write_file(run.sample(3), "kept");
  make_folder(run.checkpoint(3));
  const std::vector<fs::path> doomed = {
      run.path() / ".tmp-report.svg", run.checkpoints() / ".tmp-step-000004",
      run.checkpoints() / ".tmp-step-000002.old", run.samples() / ".tmp-step-000004.txt"};
  for (const fs::path& path : doomed)
    make_folder(path);
  run.remove_leftovers();
  for (const fs::path& path : doomed)
    EXPECT_FALSE(fs::exists(path)) << path;
  EXPECT_TRUE(fs::exists(run.sample(3)));
  EXPECT_TRUE(fs::exists(run.checkpoint(3)));
}

TEST_F(Runs, AFileIsNotAFolder) {
  write_file(folder_ / "run", "text");
  EXPECT_NE(refusal(true), "");
  EXPECT_EQ(read_file(folder_ / "run"), "text");
}

TEST_F(Runs, RequireFreeAgreesWithCreateAndChangesNothing) {
  RunFolder::require_free(folder_ / "run", false);
  EXPECT_FALSE(fs::exists(folder_ / "run"));
  create();
  EXPECT_THROW(RunFolder::require_free(folder_ / "run", false), Error);
  RunFolder::require_free(folder_ / "run", true);
  EXPECT_TRUE(RunFolder::is_run(folder_ / "run"));
}

TEST_F(Runs, AnEmptyFolderIsUsed) {
  make_folder(folder_ / "run");
  create();
  EXPECT_TRUE(RunFolder::is_run(folder_ / "run"));
}

}  // namespace
}  // namespace cllm
