#include "runlog/run_folder.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "runlog/run_lock.h"

namespace cllm {
namespace {

std::string step_name(int64_t step) {
  return fmt::format("step-{:06}", step);
}

fs::path normal_path(const fs::path& path) {
  fs::path normal = fs::absolute(path).lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

bool is_file(const fs::path& path) {
  std::error_code missing;
  return fs::is_regular_file(path, missing);
}

[[noreturn]] void fail_remove(const fs::path& path, const std::error_code& error) {
  throw Error(ErrorKind::kRuntime, path.string(), "cannot remove: " + error.message(),
              "check the permissions of the run folder");
}

// Removes a file, a link (not what it points to) or a whole folder; absent is fine.
void remove_entry(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail_remove(path, error);
}

// Removes the entries of a folder whose names begin with one of `prefixes`.
void remove_entries(const fs::path& folder, std::initializer_list<std::string_view> prefixes) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) return;
  std::vector<fs::path> doomed;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    for (const std::string_view prefix : prefixes)
      if (name.starts_with(prefix)) doomed.push_back(at->path());
  }
  if (error) fail_remove(folder, error);
  for (const fs::path& entry : doomed)
    remove_entry(entry);
}

void remove_if_empty(const fs::path& folder) {
  std::error_code error;
  if (fs::is_directory(folder, error) && fs::is_empty(folder, error)) remove_entry(folder);
}

// Removes the entries called step-* (and their unfinished .tmp-step-*), then the folder if that
// leaves it empty.
void remove_steps(const fs::path& folder) {
  std::error_code error;
  if (fs::is_symlink(folder, error)) return remove_entry(folder);
  remove_entries(folder, {"step-", ".tmp-step-"});
  remove_if_empty(folder);
}

// A folder in which a start was killed before there was a run.
bool is_unfinished(const fs::path& path) {
  return !RunFolder::is_run(path) && is_file(RunLock::file(path));
}

}  // namespace

fs::path RunFolder::sample(int64_t step) const {
  return samples() / (step_name(step) + ".txt");
}

fs::path RunFolder::checkpoint(int64_t step) const {
  return checkpoints() / step_name(step);
}

bool RunFolder::is_run(const fs::path& path) {
  const RunFolder folder(path);
  return is_file(folder.config()) && is_file(folder.command()) && is_file(folder.metrics());
}

RunFolder RunFolder::at(const fs::path& path) {
  return RunFolder(normal_path(path));
}

RunFolder RunFolder::open(const fs::path& path) {
  if (is_unfinished(path))
    throw Error(ErrorKind::kUsage, path.string(),
                "is not a run yet: its start did not come to an end",
                "start it again with `cllm train`");
  if (!is_run(path))
    throw Error(ErrorKind::kUsage, path.string(), "is not a run folder",
                "name the folder that `cllm train --out` made");
  return RunFolder(normal_path(path));
}

void RunFolder::require_free(const fs::path& path, bool overwrite) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status)) return;
  if (!fs::is_directory(status))
    throw Error(ErrorKind::kUsage, path.string(), "is a file, not a folder",
                "choose another --out");
  const bool empty = fs::is_empty(path, error);
  if (error)
    throw Error(ErrorKind::kRuntime, path.string(), "cannot list: " + error.message(),
                "check its permissions");
  if (empty || is_unfinished(path)) return;
  if (!is_run(path))
    throw Error(ErrorKind::kUsage, path.string(), "is not empty and not a run",
                "choose another --out, nothing was changed");
  if (!overwrite)
    throw Error(ErrorKind::kUsage, path.string(), "holds a run already",
                "continue it with `cllm resume`, or start over with --overwrite");
}

RunFolder RunFolder::create(const fs::path& path, const RunOrigin& origin, bool overwrite,
                            const std::function<void()>& fill) {
  require_free(path, overwrite);
  const RunFolder folder(normal_path(path));
  if (is_run(path) || is_unfinished(path)) folder.remove_run_files();
  try {
    make_folder(folder.samples());
    make_folder(folder.checkpoints());
    write_file(folder.environment(), origin.environment);
    write_file(folder.metrics(), "");
    write_file(folder.config(), origin.config);
    if (fill) fill();
    write_file(folder.command(), origin.command);
  } catch (const Error&) {
    folder.remove_run_files();
    throw;
  }
  return folder;
}

void RunFolder::remove_leftovers() const {
  remove_entries(path_, {".tmp-"});
  remove_entries(checkpoints(), {".tmp-step-"});
  remove_entries(samples(), {".tmp-step-"});
}

// The names that train/corpus.h makes.
void RunFolder::remove_data() const {
  std::error_code error;
  if (fs::is_symlink(data(), error)) return remove_entry(data());
  for (const char* name : {"train", "validation", "input.txt", "tokens.txt", ".tmp-input.txt"})
    remove_entry(data() / name);
  remove_entries(data(), {"stories-", ".tmp-stories-"});
  remove_if_empty(data());
}

void RunFolder::remove_run_files() const {
  for (const fs::path& link : {latest(), best()})
    remove_entry(link);
  remove_steps(checkpoints());
  remove_steps(samples());
  remove_data();
  // What makes it a run goes last: an interrupted removal can be started again.
  for (const fs::path& file : {report(), metrics_csv(), tokenizer(), environment(), stop_file(),
                               metrics(), config(), command()}) {
    remove_entry(temporary_of(file));
    remove_entry(file);
  }
}

}  // namespace cllm
