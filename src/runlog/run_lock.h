// Exclusive use of a run folder by one process: a lock on RUN/.lock that the kernel releases
// however the process ends. The file is removed with the lock; one that is left over tells of a
// process that was killed: in a folder that is no run yet, of its start.
#pragma once

#include <vector>

#include "base/file.h"

namespace cllm {

// Not thread-safe. Where the file system has no locks, it protects nothing.
class RunLock {
 public:
  // Makes the folder if there is none. Error (kRuntime) if another process holds the lock, or the
  // folder cannot be written.
  explicit RunLock(const fs::path& folder);
  // Removes the folders that the constructor made too, if nothing is in them.
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

  static fs::path file(const fs::path& folder) { return folder / ".lock"; }

 private:
  void remove_made_folders() const;

  fs::path folder_;
  std::vector<fs::path> made_;  // innermost first
  int descriptor_ = -1;
};

}  // namespace cllm
