#include "runlog/run_lock.h"

#include <gmock/gmock.h>

#include <optional>

#include "base/error.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

class Locks : public TemporaryFolder {
 protected:
  // The message of the Error that locking `path` throws, or "".
  static std::string refusal(const fs::path& path) {
    try {
      const RunLock lock(path);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
      return error.what();
    }
  }
};

TEST_F(Locks, ASecondOwnerIsRefusedUntilTheFirstIsGone) {
  {
    const RunLock lock(folder_);
    EXPECT_THAT(refusal(folder_), testing::HasSubstr("another cllm process"));
    EXPECT_TRUE(fs::exists(RunLock::file(folder_))) << "the refused one must not remove it";
  }
  EXPECT_FALSE(fs::exists(RunLock::file(folder_)));
  EXPECT_EQ(refusal(folder_), "");
}

TEST_F(Locks, AFileThatAKilledProcessLeftIsNoLock) {
  write_file(RunLock::file(folder_), "");
  EXPECT_EQ(refusal(folder_), "");
}

TEST_F(Locks, FoldersItMadeGoUnlessTheyAreUsed) {
  { const RunLock lock(folder_ / "a" / "b" / "run"); }
  EXPECT_FALSE(fs::exists(folder_ / "a"));
  std::optional<RunLock> lock(folder_ / "a" / "b" / "run");
  write_file(folder_ / "a" / "b" / "run" / "kept", "");
  lock.reset();
  EXPECT_TRUE(fs::exists(folder_ / "a" / "b" / "run" / "kept"));
  make_folder(folder_ / "old");
  { const RunLock other(folder_ / "old"); }
  EXPECT_TRUE(fs::exists(folder_ / "old")) << "it was there before";
}

TEST_F(Locks, AFolderThatCannotBeMadeIsAnError) {
  write_file(folder_ / "file", "");
  EXPECT_NE(refusal(folder_ / "file" / "run"), "");
  EXPECT_EQ(read_file(folder_ / "file"), "");
}

}  // namespace
}  // namespace cllm
