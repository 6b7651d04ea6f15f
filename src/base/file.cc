#include "base/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <new>
#include <utility>

#include "base/error.h"

namespace cllm {
namespace {

constexpr size_t kWriteBuffer = 1 << 20;

class Descriptor {
 public:
  explicit Descriptor(int value) : value_(value) {}
  ~Descriptor() {
    if (value_ >= 0) ::close(value_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return value_; }

 private:
  int value_;
};

[[noreturn]] void fail_read(const fs::path& path) {
  throw Error(ErrorKind::kData, path.string(), "cannot read: " + errno_text(),
              "check the path and its permissions");
}

[[noreturn]] void fail_write(const fs::path& path) {
  const std::string hint = errno == ENOSPC || errno == EDQUOT
                               ? "free some space, or write to another disk"
                               : "check that the folder exists and is writable";
  throw Error(ErrorKind::kRuntime, path.string(), "cannot write: " + errno_text(), hint);
}

int open_for_read(const fs::path& path, struct stat* status) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail_read(path);
  if (::fstat(descriptor, status) != 0) {
    const int saved = errno;
    ::close(descriptor);
    errno = saved;
    fail_read(path);
  }
  if (S_ISDIR(status->st_mode)) {
    ::close(descriptor);
    errno = EISDIR;
    fail_read(path);
  }
  return descriptor;
}

void write_all(int descriptor, const fs::path& path, const char* data, size_t bytes) {
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor, data, bytes);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_write(path);
    }
    data += written;
    bytes -= static_cast<size_t>(written);
  }
}

void sync_path(const fs::path& path, int flags) {
  const Descriptor descriptor(::open(path.c_str(), flags | O_CLOEXEC));
  if (descriptor.get() < 0 || ::fsync(descriptor.get()) != 0) fail_write(path);
}

// Into what is there: a device or a pipe is not to become a file, a link not to lose its aim.
void write_through(const fs::path& path, std::string_view text) {
  const Descriptor descriptor(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (descriptor.get() < 0) fail_write(path);
  write_all(descriptor.get(), path, text.data(), text.size());
}

}  // namespace

std::string read_file(const fs::path& path) {
  struct stat status {};
  const Descriptor descriptor(open_for_read(path, &status));
  std::string text;
  text.reserve(static_cast<size_t>(status.st_size));
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(descriptor.get(), buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      fail_read(path);
    }
    if (got == 0) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

MappedFile::MappedFile(const fs::path& path) {
  struct stat status {};
  const Descriptor descriptor(open_for_read(path, &status));
  size_ = static_cast<size_t>(status.st_size);
  if (size_ == 0) return;
  void* mapped = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, descriptor.get(), 0);
  if (mapped == MAP_FAILED) fail_read(path);
  data_ = static_cast<const std::byte*>(mapped);
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

void MappedFile::prefetch(size_t begin, size_t count) const {
  static const auto page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  if (count == 0) return;
  const size_t skipped = begin % page;  // madvise wants whole pages; the mapping begins with one
  ::madvise(const_cast<std::byte*>(data_) + begin - skipped, count + skipped, MADV_WILLNEED);
}

fs::path temporary_of(const fs::path& target) {
  return target.parent_path() / (".tmp-" + target.filename().string());
}

AtomicFile::AtomicFile(fs::path target) : target_(std::move(target)) {
  temporary_ = temporary_of(target_);
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor_ < 0) fail_write(target_);
  buffer_.reserve(kWriteBuffer);
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  size_ += bytes;
  const char* from = static_cast<const char*>(data);
  if (buffer_.size() + bytes > kWriteBuffer) flush();
  if (bytes > kWriteBuffer) {
    write_all(descriptor_, target_, from, bytes);
  } else {
    buffer_.insert(buffer_.end(), from, from + bytes);
  }
}

void AtomicFile::write_at(uint64_t offset, const void* data, size_t bytes) {
  flush();
  const char* from = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::pwrite(descriptor_, from, bytes, static_cast<off_t>(offset));
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_write(target_);
    }
    from += written;
    offset += static_cast<uint64_t>(written);
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::flush() {
  write_all(descriptor_, target_, buffer_.data(), buffer_.size());
  buffer_.clear();
}

void AtomicFile::commit() {
  flush();
  if (::fsync(descriptor_) != 0) fail_write(target_);
  const int closed = ::close(std::exchange(descriptor_, -1));
  if (closed != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
    const int saved = errno;
    ::unlink(temporary_.c_str());
    errno = saved;
    fail_write(target_);
  }
  sync_folder(target_.parent_path());
}

void write_file(const fs::path& path, std::string_view text) {
  std::error_code ignored;
  const fs::file_type type = fs::symlink_status(path, ignored).type();
  if (type == fs::file_type::character || type == fs::file_type::fifo ||
      type == fs::file_type::symlink) {
    write_through(path, text);
    return;
  }
  AtomicFile file(path);
  file.write(text);
  file.commit();
}

AtomicFolder::AtomicFolder(fs::path target) : target_(std::move(target)) {
  if (!target_.has_filename()) target_ = target_.parent_path();  // "out/" is "out"
  temporary_ = temporary_of(target_);
  std::error_code error;
  fs::remove_all(temporary_, error);
  make_folder(temporary_);
}

AtomicFolder::~AtomicFolder() {
  if (committed_) return;
  std::error_code error;
  fs::remove_all(temporary_, error);
}

void AtomicFolder::commit_to(const fs::path& target) {
  // rename() itself would replace an empty folder.
  if (fs::exists(fs::symlink_status(target)))
    throw Error(ErrorKind::kRuntime, target.string(), "cannot write: it already exists",
                "choose another name or remove it");
  for (const auto& entry : fs::recursive_directory_iterator(temporary_))
    if (entry.is_regular_file() || entry.is_directory()) sync_path(entry.path(), O_RDONLY);
  sync_folder(temporary_);
  if (::rename(temporary_.c_str(), target.c_str()) != 0) fail_write(target);
  committed_ = true;
  sync_folder(target.parent_path());
}

void replace_symlink(const fs::path& target, const fs::path& link) {
  const fs::path temporary = temporary_of(link);
  ::unlink(temporary.c_str());
  if (::symlink(target.c_str(), temporary.c_str()) != 0 ||
      ::rename(temporary.c_str(), link.c_str()) != 0)
    fail_write(link);
  sync_folder(link.parent_path());
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error)
    throw Error(ErrorKind::kRuntime, path.string(), "cannot create the folder: " + error.message(),
                "choose a place that is writable");
}

bool holds_only(const fs::path& folder, std::initializer_list<fs::path> entries) {
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (const fs::directory_iterator end; !error && at != end; at.increment(error)) {
    const fs::path name = at->path().filename();
    if (std::ranges::none_of(entries, [&](const fs::path& e) { return e.filename() == name; }))
      return false;
  }
  if (error)
    throw Error(ErrorKind::kRuntime, folder.string(), "cannot list: " + error.message(),
                "check its permissions");
  return true;
}

void sync_folder(const fs::path& folder) {
  sync_path(folder.empty() ? fs::path(".") : folder, O_RDONLY | O_DIRECTORY);
}

uint64_t hash64(const void* data, size_t bytes) {
  return XXH64(data, bytes, 0);
}

uint64_t file_hash64(const fs::path& path) {
  struct stat status {};
  const Descriptor descriptor(open_for_read(path, &status));
  const std::unique_ptr<XXH64_state_t, XXH_errorcode (*)(XXH64_state_t*)> state(XXH64_createState(),
                                                                                XXH64_freeState);
  if (!state) throw std::bad_alloc();
  XXH64_reset(state.get(), 0);
  char buffer[1 << 16];
  for (;;) {
    const ssize_t got = ::read(descriptor.get(), buffer, sizeof buffer);
    if (got < 0) {
      if (errno == EINTR) continue;
      fail_read(path);
    }
    if (got == 0) return XXH64_digest(state.get());
    XXH64_update(state.get(), buffer, static_cast<size_t>(got));
  }
}

std::string hash64_hex(uint64_t hash) {
  return fmt::format("{:016x}", hash);
}

}  // namespace cllm
