#include "runlog/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace cllm {
namespace {

// Whether the file that is open is still the one of that name: its last owner may have removed it
// between open() and flock().
bool is_current(int descriptor, const fs::path& path) {
  struct stat open_file {
  }, named{};
  return ::fstat(descriptor, &open_file) == 0 && ::stat(path.c_str(), &named) == 0 &&
         open_file.st_dev == named.st_dev && open_file.st_ino == named.st_ino;
}

// The locked descriptor. Errors are left to the caller: -1 with errno, EWOULDBLOCK if the lock is
// held by another process.
int open_locked(const fs::path& path) {
  for (;;) {
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (descriptor < 0) return -1;
    const bool locked = ::flock(descriptor, LOCK_EX | LOCK_NB) == 0;
    if (!locked && errno == EWOULDBLOCK) {
      ::close(descriptor);
      errno = EWOULDBLOCK;
      return -1;
    }
    if (!locked || is_current(descriptor, path)) return descriptor;
    ::close(descriptor);
  }
}

}  // namespace

RunLock::RunLock(const fs::path& folder) : folder_(folder) {
  std::error_code error;
  for (fs::path missing = folder; !missing.empty() && !fs::exists(missing, error) && !error;
       missing = missing.parent_path())
    made_.push_back(missing);
  const fs::path path = file(folder);
  try {
    make_folder(folder);
  } catch (const Error&) {
    remove_made_folders();
    throw;
  }
  descriptor_ = open_locked(path);
  if (descriptor_ >= 0) return;
  const int saved = errno;
  remove_made_folders();
  errno = saved;
  if (errno == EWOULDBLOCK)
    throw Error(ErrorKind::kRuntime, folder.string(), "another cllm process is at work in it",
                fmt::format("wait for it, or stop it: touch {}", (folder / "STOP").string()));
  throw Error(ErrorKind::kRuntime, path.string(), "cannot write: " + errno_text(),
              "check the permissions of the folder and the space on its disk");
}

RunLock::~RunLock() {
  ::unlink(file(folder_).c_str());
  ::close(descriptor_);
  remove_made_folders();
}

void RunLock::remove_made_folders() const {
  for (const fs::path& folder : made_)
    ::rmdir(folder.c_str());  // refuses what is not empty
}

}  // namespace cllm
