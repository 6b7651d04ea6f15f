// The folder of one training run: names of its files, creation that never destroys anything by
// accident, and recognition of an existing run. Layout:
//   config.toml command.txt env.json        how it was started, written by create()
//   metrics.jsonl metrics.csv report.svg    what happened (runlog/metrics.h, runlog/report.h)
//   data/                                   tokens of the texts (data/dataset.h)
//   samples/step-000500.txt  checkpoints/step-000500/  tokenizer.json
//   latest best                             symbolic links into checkpoints/
//   STOP                                    made by the user: finish the step, save, exit
//   .lock                                   while a process is at work (runlog/run_lock.h)
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/file.h"

namespace cllm {

// What create() stores first.
struct RunOrigin {
  std::string config;       // resolved settings, TOML
  std::string command;      // the command line
  std::string environment;  // one JSON object; write_report() shows its "parameters" (integer)
};

// A value: only the path. Thread-safe. Paths are not checked for existence.
class RunFolder {
 public:
  // Makes the folder with config.toml, command.txt, env.json, an empty metrics.jsonl, samples/ and
  // checkpoints/. Error (kUsage) if the path is a file, or a folder that is not empty, unless it is
  // a run and `overwrite` is set: then the run's own files are removed (entries a run does not make
  // stay). A folder that a killed start left behind counts as empty. fill() puts more into the
  // folder before it becomes a run, so that a run is complete or none. Error (kRuntime) if it
  // cannot be written; what was written is removed then.
  static RunFolder create(const fs::path& path, const RunOrigin& origin, bool overwrite,
                          const std::function<void()>& fill = {});
  // The first check of create() alone, for callers with long work ahead of it.
  static void require_free(const fs::path& path, bool overwrite);
  // Error (kUsage) if the folder is not a run.
  static RunFolder open(const fs::path& path);
  // The folder of that name, run or not.
  static RunFolder at(const fs::path& path);
  // Whether `path` is a folder with config.toml, command.txt and metrics.jsonl.
  static bool is_run(const fs::path& path);

  // Removes what writers that were killed left behind: half-written files and checkpoints. Nobody
  // else may be at work in the folder (runlog/run_lock.h).
  void remove_leftovers() const;

  const fs::path& path() const { return path_; }
  std::string name() const { return path_.filename().string(); }

  fs::path config() const { return path_ / "config.toml"; }
  fs::path command() const { return path_ / "command.txt"; }
  fs::path environment() const { return path_ / "env.json"; }
  fs::path metrics() const { return path_ / "metrics.jsonl"; }
  fs::path metrics_csv() const { return path_ / "metrics.csv"; }
  fs::path report() const { return path_ / "report.svg"; }
  fs::path tokenizer() const { return path_ / "tokenizer.json"; }
  fs::path data() const { return path_ / "data"; }
  fs::path samples() const { return path_ / "samples"; }
  fs::path sample(int64_t step) const;  // samples/step-000500.txt
  fs::path checkpoints() const { return path_ / "checkpoints"; }
  fs::path checkpoint(int64_t step) const;  // checkpoints/step-000500
  fs::path latest() const { return path_ / "latest"; }
  fs::path best() const { return path_ / "best"; }
  fs::path stop_file() const { return path_ / "STOP"; }

 private:
  explicit RunFolder(fs::path path) : path_(std::move(path)) {}
  void remove_run_files() const;
  void remove_data() const;

  fs::path path_;  // absolute, without trailing slash
};

}  // namespace cllm
