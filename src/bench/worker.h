// Work in a process of its own that answers requests, one line each: so that several
// configurations can take turns and each still has threads, memory and a peak of memory that are
// its own.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

namespace cllm::bench {

// Called about ten times a second while an answer is awaited; may throw.
using Idle = std::function<void()>;

// Owns the process; ends it at once when destroyed. Not thread-safe.
class Worker {
 public:
  // Turns a request into its answer; neither may contain a line break.
  using Serve = std::function<std::string(const std::string& request)>;

  // Forks, which must be before this process starts threads; start() and the function that it
  // returns run in the new process. Error (kRuntime).
  explicit Worker(const std::function<Serve()>& start);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The answer. An Error of the process is thrown here, with its kind; Error (kRuntime) if the
  // process died.
  std::string ask(const std::string& request, const Idle& idle = {});

 private:
  [[noreturn]] void fail();

  pid_t process_ = -1;
  int to_ = -1, from_ = -1;
  std::string received_;
};

}  // namespace cllm::bench
