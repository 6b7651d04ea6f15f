#include "runlog/run_folder.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"

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

// Removes the entries called step-* (and their unfinished .tmp-step-*), then the folder if that
// leaves it empty.
void remove_steps(const fs::path& folder) {
  std::error_code error;
  if (fs::is_symlink(folder, error)) return remove_entry(folder);
  if (!fs::is_directory(folder, error)) return;
  std::vector<fs::path> steps;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with("step-") || name.starts_with(".tmp-step-")) steps.push_back(at->path());
  }
  if (error) fail_remove(folder, error);
  for (const fs::path& step : steps)
    remove_entry(step);
  if (fs::is_empty(folder, error)) remove_entry(folder);
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

RunFolder RunFolder::open(const fs::path& path) {
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
  if (empty) return;
  if (!is_run(path))
    throw Error(ErrorKind::kUsage, path.string(), "is not empty and not a run",
                "choose another --out, nothing was changed");
  if (!overwrite)
    throw Error(ErrorKind::kUsage, path.string(), "holds a run already",
                "continue it with `cllm resume`, or start over with --overwrite");
}

RunFolder RunFolder::create(const fs::path& path, const RunOrigin& origin, bool overwrite) {
  require_free(path, overwrite);
  const RunFolder folder(normal_path(path));
  if (is_run(path)) folder.remove_run_files();
  make_folder(folder.samples());
  make_folder(folder.checkpoints());
  write_file(folder.environment(), origin.environment);
  write_file(folder.metrics(), "");
  write_file(folder.config(), origin.config);
  write_file(folder.command(), origin.command);
  return folder;
}

void RunFolder::remove_run_files() const {
  for (const fs::path& link : {latest(), best()})
    remove_entry(link);
  remove_steps(checkpoints());
  remove_steps(samples());
  remove_entry(data());
  // What makes it a run goes last: an interrupted removal can be started again.
  for (const fs::path& file : {report(), metrics_csv(), tokenizer(), environment(), stop_file(),
                               metrics(), config(), command()}) {
    remove_entry(path_ / (".tmp-" + file.filename().string()));
    remove_entry(file);
  }
}

}  // namespace cllm
