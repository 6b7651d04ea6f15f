#include "base/cgroup.h"

#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "temporary_folder.h"

namespace cllm {
namespace {

class Cgroup : public TemporaryFolder {
 protected:
  // The file at `path` below the fake root.
  void put(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
};

TEST_F(Cgroup, WithoutAnyFileNothingLimits) {
  EXPECT_EQ(cgroup_processors(folder_), std::nullopt);
  EXPECT_EQ(cgroup_memory_left(folder_), std::nullopt);
}

TEST_F(Cgroup, Version2TakesTheSmallestOfTheGroupAndItsParents) {
  put("proc/self/cgroup", "0::/slice/inner\n");
  put("sys/fs/cgroup/slice/inner/cpu.max", "max 100000\n");
  put("sys/fs/cgroup/slice/cpu.max", "150000 100000\n");
  put("sys/fs/cgroup/cpu.max", "400000 100000\n");
  EXPECT_EQ(cgroup_processors(folder_), 1.5);
  put("sys/fs/cgroup/slice/inner/memory.max", "1000\n");
  put("sys/fs/cgroup/slice/inner/memory.current", "700\n");
  put("sys/fs/cgroup/slice/inner/memory.stat", "anon 1\nactive_file 50\ninactive_file 150\n");
  put("sys/fs/cgroup/slice/memory.max", "max\n");
  put("sys/fs/cgroup/slice/memory.current", "900\n");
  EXPECT_EQ(cgroup_memory_left(folder_), 500);
  put("sys/fs/cgroup/memory.max", "2000\n");
  put("sys/fs/cgroup/memory.current", "1600\n");
  EXPECT_EQ(cgroup_memory_left(folder_), 400);
}

TEST_F(Cgroup, Version1HasAHierarchyPerController) {
  put("proc/self/cgroup", "7:cpuset:/no\n5:cpu,cpuacct:/a\n4:memory:/b\n");
  put("sys/fs/cgroup/cpu/a/cpu.cfs_quota_us", "50000\n");
  put("sys/fs/cgroup/cpu/a/cpu.cfs_period_us", "100000\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(cgroup_processors(folder_), 0.5);
  put("sys/fs/cgroup/memory/b/memory.limit_in_bytes", "1000\n");
  put("sys/fs/cgroup/memory/b/memory.usage_in_bytes", "300\n");
  put("sys/fs/cgroup/memory/b/memory.stat", "total_inactive_file 100\ntotal_active_file 0\n");
  EXPECT_EQ(cgroup_memory_left(folder_), 800);
}

// Both quantities treat a hierarchy that the process is not listed in alike: its mount point
// counts.
TEST_F(Cgroup, WithoutAListedGroupTheMountPointLimits) {
  for (const char* lines : {"", "nonsense\n", "1:\n0::relative\n", "3:pids:/x\n", ":"}) {
    put("proc/self/cgroup", lines);
    put("sys/fs/cgroup/cpu.max", "200000 100000\n");
    put("sys/fs/cgroup/memory.max", "1000\n");
    put("sys/fs/cgroup/memory.current", "1200\n");
    EXPECT_EQ(cgroup_processors(folder_), 2.0) << lines;
    EXPECT_EQ(cgroup_memory_left(folder_), 0) << lines;
  }
}

TEST_F(Cgroup, AnInvisibleGroupLeavesItsMountPoint) {
  put("proc/self/cgroup", "0::/docker/abc\n");
  put("sys/fs/cgroup/cpu.max", "300000 100000\n");
  EXPECT_EQ(cgroup_processors(folder_), 3.0);
}

TEST_F(Cgroup, DamagedFilesLimitNothing) {
  put("proc/self/cgroup", "0::/\n");
  for (const char* text : {"", "x", "0 100000", "100000 0", "-5 10", "10"}) {
    put("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(cgroup_processors(folder_), std::nullopt) << text;
  }
  put("sys/fs/cgroup/memory.max", "-1");
  put("sys/fs/cgroup/memory.current", "10");
  EXPECT_EQ(cgroup_memory_left(folder_), std::nullopt);
}

}  // namespace
}  // namespace cllm
