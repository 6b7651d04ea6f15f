// Full disks, folders that cannot be written, and two processes at once.
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Disk : public TinyRun {
 protected:
  void TearDown() override {
    if (mounted_) ::umount2(at("small").c_str(), MNT_DETACH);
    TinyRun::TearDown();
  }
  // A file system of so many KiB at small/; false where that is not allowed.
  bool mount_small(int kib) {
    make_folder(at("small"));
    const std::string size = "size=" + std::to_string(kib) + "k";
    mounted_ = ::mount("tmpfs", at("small").c_str(), "tmpfs", 0, size.c_str()) == 0;
    return mounted_;
  }
  bool mounted_ = false;
};

TEST_F(Disk, ADiskTooSmallForTheDataKeepsNothing) {
  if (!mount_small(64)) GTEST_SKIP() << "mounting a small file system is not allowed here";
  write_file(at("text.txt"), small_text(3000));
  const ProgramResult result = cllm(train("text.txt", "small/run") + steps(4));
  expect_error(result, 1, {"No space left on device", "free some space"});
  EXPECT_TRUE(fs::is_empty(at("small")));
}

TEST_F(Disk, AFullDiskKeepsTheLastGoodCheckpoint) {
  if (!mount_small(1000)) GTEST_SKIP() << "mounting a small file system is not allowed here";
  // A checkpoint has 330 kB: the third one does not fit.
  const Words words = train("text.txt", "small/run") + steps(40) +
                      set({"checkpoint.every=10", "checkpoint.keep=9", "sample.every=0"});
  const ProgramResult result = cllm(words);
  expect_error(result, 1, {"No space left on device", "free some space"});
  EXPECT_THAT(leftovers(at("small")), IsEmpty());
  // With room again it goes on, and ends like a run that never stopped.
  ASSERT_EQ(::mount("tmpfs", at("small").c_str(), "tmpfs", MS_REMOUNT, "size=8m"), 0);
  const ProgramResult resumed = cllm({"resume", "small/run"});
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, HasSubstr("resuming from step "));
  EXPECT_THAT(resumed.err, testing::Not(HasSubstr("damaged")));
  ASSERT_EQ(cllm(train() + steps(40) + set({"sample.every=0"})).code, 0);
  EXPECT_EQ(manifest(40), read_file(at("small/run/checkpoints/step-000040/manifest.json")));
}

TEST_F(Disk, AFileSizeLimitIsAFullDisk) {
  // 512-byte blocks: room for every file but the optimizer's.
  const std::string words = command_line(train() + steps(30) + set({"checkpoint.every=10"}));
  const ProgramResult result = shell("ulimit -f 300; " + words);
  EXPECT_EQ(result.code, 1) << result.err;
  EXPECT_THAT(error_line(result), HasSubstr("optimizer.safetensors: cannot write: File too large"));
  EXPECT_THAT(leftovers(folder_), IsEmpty());
  EXPECT_TRUE(fs::is_empty(run().checkpoints()));
  const ProgramResult resumed = cllm({"resume", "run"});
  EXPECT_EQ(resumed.code, 0) << resumed.err;
  expect_whole_metrics(run(), 30);
}

TEST_F(Disk, AReadOnlyFolderIsAnErrorOfOneLine) {
  if (!mount_small(4000)) GTEST_SKIP() << "mounting a small file system is not allowed here";
  ASSERT_EQ(cllm(train("text.txt", "small/run") + steps(4)).code, 0);
  ASSERT_EQ(::mount("tmpfs", at("small").c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY, ""), 0);
  const auto before = snapshot(at("small"));
  for (const Words& words : {train("text.txt", "small/new"), train("text.txt", "small/a/b/new"),
                             train("text.txt", "small/run") + Words{"--overwrite"},
                             Words{"resume", "small/run", "--steps", "8"}})
    expect_error(cllm(words), 1, {"Read-only file system", "small/"});
  EXPECT_EQ(snapshot(at("small")), before);
}

TEST_F(Disk, AFolderWithoutPermissionIsAnErrorOfOneLine) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  make_folder(at("locked"));
  fs::permissions(at("locked"), fs::perms::owner_read | fs::perms::owner_exec);
  expect_error(cllm(train("text.txt", "locked/run")), 1, {"Permission denied"});
  fs::permissions(at("locked"), fs::perms::owner_all);
}

TEST_F(Disk, OneProcessAtATimeInARun) {
  const Words endless = train() + steps(1000000) + set({"sample.every=0"});
  RunningProgram first(endless, options_);
  ASSERT_TRUE(wait_for_steps(20));
  expect_error(cllm({"resume", "run"}), 1, {"another cllm process", "STOP"});
  expect_error(cllm(endless + Words{"--overwrite"}), 1, {"another cllm process"});
  expect_error(cllm(endless), 2, {"holds a run already", "--overwrite"});
  // The kernel frees the lock of a killed process; nothing else has to be cleaned up.
  first.signal(SIGKILL);
  first.wait();
  EXPECT_TRUE(fs::exists(at("run/.lock")));
  RunningProgram second({"resume", "run"}, options_);
  ASSERT_TRUE(wait_for_steps(steps_logged() + 20));
  second.signal(SIGTERM);
  EXPECT_EQ(second.wait().code, 143);
  EXPECT_THAT(leftovers(folder_), IsEmpty());
}

TEST_F(Disk, OfManyStartsOnOneFolderOneWins) {
  std::vector<std::unique_ptr<RunningProgram>> programs;
  for (int i = 0; i < 6; ++i)
    programs.push_back(std::make_unique<RunningProgram>(train() + steps(200), options_));
  int winners = 0;
  for (const auto& program : programs) {
    const ProgramResult result = program->wait();
    if (result.code == 0)
      ++winners;
    else
      EXPECT_THAT(error_line(result), testing::AnyOf(HasSubstr("another cllm process"),
                                                     HasSubstr("holds a run already")));
  }
  EXPECT_EQ(winners, 1);
  expect_whole_metrics(run(), 200);
  EXPECT_THAT(leftovers(folder_), IsEmpty());
}

}  // namespace
}  // namespace cllm::cli
