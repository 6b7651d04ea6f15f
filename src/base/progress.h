// A progress bar: one line of the terminal, rewritten at most ten times a second. Where there is no
// terminal it shows nothing; the caller logs a plain line per interval instead.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"

namespace cllm {

// What one drawing of the bar shows.
struct ProgressView {
  std::string_view label;   // "train"
  int64_t done = 0;         // of total, in the caller's unit
  int64_t total = 0;        // 0: unknown, then there is no bar and no time left
  int64_t first = 0;        // `done` at the start; the rate counts from here
  double seconds = 0;       // since the start
  std::string_view fields;  // free text, "loss 2.31 · lr 1e-3"
};

// Seconds until done == total at the mean rate so far; NaN while that is unknown.
double seconds_left(const ProgressView& view);

// The line in at most `width` columns; one code point counts as one column. The bar shrinks first,
// then goes, then the text is cut.
std::string progress_line(const ProgressView& view, size_t width, bool utf8);

// Drawn on the log's status line, removed by the destructor. One at a time per log; not
// thread-safe. log must outlive it.
class Progress {
 public:
  // first: where a resumed job starts.
  Progress(Log& log, std::string label, int64_t total, int64_t first = 0);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Whether update would draw: ask before composing an expensive text. No allocation.
  bool due() const;
  // Draws if due.
  void update(int64_t done, std::string_view fields = {});

 private:
  Log& log_;
  std::string label_;
  int64_t total_;
  int64_t first_;
  double start_;
  double next_draw_;
};

}  // namespace cllm
