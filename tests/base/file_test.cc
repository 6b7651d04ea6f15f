#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <functional>

#include "base/error.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using testing::HasSubstr;

class FileTest : public TemporaryFolder {
 protected:
  fs::path at(const std::string& name) const { return folder_ / name; }
  // Names in the folder, so that a test sees every leftover.
  std::vector<std::string> listing() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_))
      names.push_back(entry.path().filename().string());
    std::ranges::sort(names);
    return names;
  }
  static void expect_error(ErrorKind kind, const std::string& part,
                           const std::function<void()>& action) {
    try {
      action();
      ADD_FAILURE() << "no error; wanted " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), kind);
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
  }
};

using Names = std::vector<std::string>;

TEST_F(FileTest, WriteThenReadKeepsEveryByte) {
  std::string text;
  for (int i = 0; i < 300000; ++i)
    text += static_cast<char>(i * 7);
  write_file(at("a"), text);
  EXPECT_EQ(read_file(at("a")), text);
  write_file(at("a"), "short");
  EXPECT_EQ(read_file(at("a")), "short");
  write_file(at("empty"), "");
  EXPECT_EQ(read_file(at("empty")), "");
  EXPECT_EQ(listing(), (Names{"a", "empty"}));
}

TEST_F(FileTest, ReadsFilesThatReportNoSize) {
  EXPECT_THAT(read_file("/proc/self/status"), HasSubstr("Name:"));
}

TEST_F(FileTest, ReadErrorsNameThePath) {
  expect_error(ErrorKind::kData, at("none").string() + ": cannot read: No such file",
               [&] { read_file(at("none")); });
  expect_error(ErrorKind::kData, "cannot read: Is a directory", [&] { read_file(at("")); });
  expect_error(ErrorKind::kData, "cannot read: Is a directory",
               [&] { const MappedFile file(at("")); });
}

TEST_F(FileTest, MapsAFile) {
  write_file(at("a"), "mapped");
  MappedFile file(at("a"));
  EXPECT_EQ(file.text(), "mapped");
  const MappedFile moved = std::move(file);
  EXPECT_EQ(moved.text(), "mapped");
  write_file(at("b"), "other");
  MappedFile target(at("b"));
  target = MappedFile(at("a"));
  EXPECT_EQ(target.text(), "mapped");
  write_file(at("empty"), "");
  EXPECT_EQ(MappedFile(at("empty")).size(), 0U);
}

TEST_F(FileTest, AMapKeepsItsBytesWhenTheFileIsReplaced) {
  write_file(at("a"), "before");
  const MappedFile file(at("a"));
  write_file(at("a"), "after!");
  EXPECT_EQ(file.text(), "before");
}

TEST_F(FileTest, AtomicFileAppearsOnlyOnCommit) {
  write_file(at("a"), "old");
  {
    AtomicFile file(at("a"));
    file.write("new");
    EXPECT_EQ(read_file(at("a")), "old");
  }
  EXPECT_EQ(read_file(at("a")), "old");
  EXPECT_EQ(listing(), Names{"a"}) << "an abandoned file leaves nothing";
  AtomicFile file(at("a"));
  file.write("new");
  file.commit();
  EXPECT_EQ(read_file(at("a")), "new");
  EXPECT_EQ(listing(), Names{"a"});
}

TEST_F(FileTest, WriteAtPatchesWhatWasBuffered) {
  AtomicFile file(at("a"));
  file.write("????rest");
  EXPECT_EQ(file.size(), 8U);
  file.write_at(0, "head", 4);
  file.write("!");
  EXPECT_EQ(file.size(), 9U);
  file.commit();
  EXPECT_EQ(read_file(at("a")), "headrest!");
}

TEST_F(FileTest, WritesLargerThanTheBufferStayInOrder) {
  AtomicFile file(at("a"));
  std::string expected;
  for (const size_t bytes : {size_t{5}, size_t{1} << 20, size_t{3}, (size_t{1} << 20) + 1}) {
    const std::string part(bytes, static_cast<char>('a' + bytes % 7));
    file.write(part);
    expected += part;
  }
  file.commit();
  EXPECT_TRUE(read_file(at("a")) == expected);
}

TEST_F(FileTest, CannotWriteIntoAMissingFolder) {
  expect_error(ErrorKind::kRuntime, (at("no") / "a").string() + ": cannot write: No such file",
               [&] { write_file(at("no") / "a", "x"); });
}

// A file size limit stands for a full disk: write() fails half-way in the same manner.
TEST_F(FileTest, AFailingWriteLeavesTheOldFileAndNoTemporary) {
  write_file(at("a"), "old");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1 << 16, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorKind::kRuntime, "cannot write: File too large",
               [&] { write_file(at("a"), std::string(1 << 17, 'x')); });
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, old_handler);
  EXPECT_EQ(read_file(at("a")), "old");
  EXPECT_EQ(listing(), Names{"a"});
}

TEST_F(FileTest, CommitOntoAFolderFailsAndCleansUp) {
  make_folder(at("a") / "inside");
  expect_error(ErrorKind::kRuntime, "cannot write", [&] { write_file(at("a"), "x"); });
  EXPECT_EQ(listing(), Names{"a"});
}

TEST_F(FileTest, AtomicFolderAppearsOnlyOnCommit) {
  {
    AtomicFolder folder(at("out"));
    write_file(folder.path() / "a", "1");
  }
  EXPECT_EQ(listing(), Names{});
  AtomicFolder folder(at("out"));
  write_file(folder.path() / "a", "1");
  make_folder(folder.path() / "deep");
  write_file(folder.path() / "deep" / "b", "2");
  EXPECT_FALSE(fs::exists(at("out")));
  folder.commit();
  EXPECT_EQ(read_file(at("out") / "deep" / "b"), "2");
  EXPECT_EQ(listing(), Names{"out"});
}

TEST_F(FileTest, AtomicFolderNeverReplacesAnother) {
  make_folder(at("out"));
  write_file(at("out") / "kept", "1");
  {
    AtomicFolder folder(at("out"));
    write_file(folder.path() / "a", "2");
    expect_error(ErrorKind::kRuntime, "cannot write", [&] { folder.commit(); });
  }
  EXPECT_EQ(listing(), Names{"out"});
  EXPECT_EQ(read_file(at("out") / "kept"), "1");
  EXPECT_FALSE(fs::exists(at("out") / "a"));
}

TEST_F(FileTest, AtomicFolderRefusesEvenAnEmptyTarget) {
  make_folder(at("out"));
  {
    AtomicFolder folder(at("out"));
    write_file(folder.path() / "a", "2");
    expect_error(ErrorKind::kRuntime, "cannot write", [&] { folder.commit(); });
  }
  EXPECT_TRUE(fs::is_empty(at("out")));
}

TEST_F(FileTest, AtomicFolderCommitsUnderAnotherName) {
  make_folder(at("out"));
  {
    AtomicFolder folder(at("out"));
    write_file(folder.path() / "a", "1");
    folder.commit_to(at("elsewhere"));
  }
  EXPECT_EQ(read_file(at("elsewhere") / "a"), "1");
  EXPECT_EQ(listing(), (Names{"elsewhere", "out"}));
  AtomicFolder again(at("other"));
  expect_error(ErrorKind::kRuntime, at("elsewhere").string() + ": cannot write: it already exists",
               [&] { again.commit_to(at("elsewhere")); });
}

TEST_F(FileTest, AtomicFolderStartsFreshAfterACrash) {
  make_folder(at(".tmp-out"));
  write_file(at(".tmp-out") / "stale", "1");
  AtomicFolder folder(at("out"));
  folder.commit();
  EXPECT_TRUE(fs::is_empty(at("out")));
}

TEST_F(FileTest, ReplacesASymbolicLink) {
  replace_symlink("one", at("link"));
  EXPECT_EQ(fs::read_symlink(at("link")), "one");
  replace_symlink("two", at("link"));
  EXPECT_EQ(fs::read_symlink(at("link")), "two");
  EXPECT_EQ(listing(), Names{"link"});
}

// As root, replacing would turn the machine's /dev/null into a file.
TEST_F(FileTest, LinksAndDevicesAreWrittenTo) {
  write_file(at("aim"), "a longer text");
  fs::create_symlink("aim", at("link"));
  write_file(at("link"), "short");
  EXPECT_TRUE(fs::is_symlink(at("link")));
  EXPECT_EQ(read_file(at("aim")), "short");
  fs::create_symlink("/dev/full", at("full"));
  EXPECT_THROW(write_file(at("full"), "x"), Error);
  EXPECT_THAT(listing(), testing::ElementsAre("aim", "full", "link"));
}

TEST_F(FileTest, MakeFolderErrorsNameThePath) {
  write_file(at("a"), "x");
  expect_error(ErrorKind::kRuntime, (at("a") / "b").string() + ": cannot create the folder",
               [&] { make_folder(at("a") / "b"); });
  // A trailing slash names the same folder.
  make_folder(at("deep/er/"));
  EXPECT_TRUE(fs::is_directory(at("deep/er")));
}

TEST_F(FileTest, ATrailingSlashNamesTheSameFolder) {
  AtomicFolder folder(at("out/"));
  write_file(folder.path() / "a", "1");
  folder.commit();
  EXPECT_EQ(read_file(at("out") / "a"), "1");
  EXPECT_EQ(listing(), Names{"out"});
}

TEST(Hash, MatchesThePublishedXxh64Values) {
  // XXH64 of the empty input and of "abc" with seed 0, from the xxHash documentation.
  EXPECT_EQ(hash64("", 0), 0xef46db3751d8e999U);
  EXPECT_EQ(hash64("abc", 3), 0x44bc2cf5ad770999U);
  EXPECT_EQ(hash64_hex(0x1fU), "000000000000001f");
}

TEST_F(FileTest, TheHashOfAFileIsThatOfItsContents) {
  for (const size_t bytes : {0, 3, 1 << 16, (3 << 16) + 7}) {
    std::string text(bytes, ' ');
    for (size_t i = 0; i < bytes; ++i)
      text[i] = static_cast<char>(i * i % 251);
    write_file(at("file"), text);
    EXPECT_EQ(file_hash64(at("file")), hash64(text.data(), bytes)) << bytes;
  }
  EXPECT_THROW(file_hash64(at("none")), Error);
}

TEST(Error, IsOneLineWithItsExitCode) {
  const Error error(ErrorKind::kData, "a.txt:3", "bad\nline", "mend it");
  EXPECT_STREQ(error.what(), "a.txt:3: bad line; mend it");
  EXPECT_EQ(error.exit_code(), 3);
  EXPECT_STREQ(Error(ErrorKind::kUsage, "", "what", "").what(), "what");
}

}  // namespace
}  // namespace cllm
