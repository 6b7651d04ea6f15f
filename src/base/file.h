// Files: whole-file reads, read-only maps, and writes that are either complete or absent. Every
// failure is an Error that names the path.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace cllm {

namespace fs = std::filesystem;

// The whole file. Error (kData) if it is missing, a folder, or unreadable.
std::string read_file(const fs::path& path);

// Read-only memory map of a whole file; owns the mapping, movable. An empty file maps to an empty
// span.
class MappedFile {
 public:
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }
  // Asks the system to read bytes [begin, begin + count) in the background, so that a later access
  // does not wait for the disk. A hint: it may do nothing. One system call.
  void prefetch(size_t begin, size_t count) const;

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The name beside `target` under which AtomicFile, AtomicFolder and replace_symlink make it; a
// writer that was killed leaves it behind.
fs::path temporary_of(const fs::path& target);

// A file written under a temporary name beside its target. commit() flushes, fsyncs and renames it
// over the target; destruction without commit() removes the temporary. write() and commit() throw
// Error (kRuntime), e.g. on a full disk, and leave the target as it was. Not thread-safe.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path target);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  // Overwrites bytes already written, e.g. a header whose counts were not known at first.
  void write_at(uint64_t offset, const void* data, size_t bytes);
  uint64_t size() const { return size_; }
  void commit();

 private:
  void flush();
  fs::path target_;
  fs::path temporary_;
  int descriptor_ = -1;
  uint64_t size_ = 0;
  std::vector<char> buffer_;
};

// AtomicFile for a text already in memory. A device, a pipe or a symbolic link is written to, not
// replaced.
void write_file(const fs::path& path, std::string_view text);

// A folder built under a temporary name beside its target. commit() fsyncs everything in it and
// renames it to the target, which must not exist (an existing one is an Error); destruction without
// commit() removes it.
class AtomicFolder {
 public:
  explicit AtomicFolder(fs::path target);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  const fs::path& path() const { return temporary_; }
  void commit() { commit_to(target_); }
  // Commits under another name on the same file system.
  void commit_to(const fs::path& target);

 private:
  fs::path target_;
  fs::path temporary_;
  bool committed_ = false;
};

// Replaces the symbolic link `link` so that it points to `target` (stored as given), atomically.
void replace_symlink(const fs::path& target, const fs::path& link);

// create_directories with an Error that names the path.
void make_folder(const fs::path& path);

// Whether a folder holds no entries but these, by their last names. Error (kRuntime) if it cannot
// be listed.
bool holds_only(const fs::path& folder, std::initializer_list<fs::path> entries);

// Makes a rename or creation inside `folder` durable.
void sync_folder(const fs::path& folder);

// xxHash64 of a buffer (seed 0), the checksum of every file format of ours, and its 16-digit hex
// form.
uint64_t hash64(const void* data, size_t bytes);
// hash64 of a file's contents, read piece by piece: a mapping would be resident memory as large as
// the file. Error (kData) as read_file.
uint64_t file_hash64(const fs::path& path);
std::string hash64_hex(uint64_t hash);

}  // namespace cllm
