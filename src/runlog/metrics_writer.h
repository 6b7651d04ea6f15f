// Appends records to a run's metrics.jsonl. Every record is one write(2): a reader, or the file
// after a crash, sees whole records and at most one torn last line.
#pragma once

#include <cstdint>

#include "runlog/metrics.h"
#include "runlog/run_folder.h"

namespace cllm {

// Owns the open file; movable. Not thread-safe. Writing a StepRecord or EvalRecord does not
// allocate. write() throws Error (kRuntime), e.g. on a full disk, and then leaves no part of the
// record behind.
class MetricsWriter {
 public:
  // For a run that has just been created.
  explicit MetricsWriter(const RunFolder& folder);
  // For a run that goes on from the checkpoint of `step`: removes a torn last line and every record
  // of a later step first (atomically), so that repeated steps are recorded once. Error (kData) if
  // the file is not a metrics file.
  static MetricsWriter open_for_resume(const RunFolder& folder, int64_t step);

  ~MetricsWriter();
  MetricsWriter(MetricsWriter&& other) noexcept;
  MetricsWriter& operator=(MetricsWriter&& other) noexcept;
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  void write(const StepRecord& record);
  void write(const EvalRecord& record);
  void write(const EventRecord& record);
  // Makes the records so far durable. Error (kRuntime).
  void sync();

 private:
  void append(std::string_view line);

  fs::path path_;
  int descriptor_ = -1;
};

}  // namespace cllm
