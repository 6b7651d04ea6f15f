// A benchmark's opponent in a process of its own, which answers one line of JSON to one line of
// request. It is stopped (SIGSTOP) whenever it has nothing to answer, so that threads of it that
// spin take no time from what is measured in between. Processes that it starts share its fate.
#pragma once

#include <sys/types.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"

namespace cllm::bench {

struct PeerCommand {
  std::vector<std::string> arguments;    // of which the first is the program, a path
  std::vector<std::string> environment;  // "NAME=value", added to ours
  fs::path error_file;                   // takes its standard error
  double timeout = 600;                  // seconds for one answer
  std::function<void()> check;           // called now and then while waiting; may throw
};

// Not thread-safe. Ended (SIGKILL) by the destructor, and when this process ends.
class PeerChild {
 public:
  // Error (kRuntime) if the program cannot be started.
  explicit PeerChild(PeerCommand command);
  ~PeerChild();
  PeerChild(const PeerChild&) = delete;
  PeerChild& operator=(const PeerChild&) = delete;

  // What it says unasked, once, when it is ready. Errors as ask.
  nlohmann::json greeting();
  // Sends a line and waits for the answer. Error (kRuntime) if it ends (with the last line of its
  // standard error), takes longer than the timeout, or answers what is no JSON object.
  nlohmann::json ask(const std::string& request);

 private:
  [[noreturn]] void become(int end, int failed, char** arguments, char** environment) const;
  void send(const std::string& line);
  std::string receive();
  bool wait_readable(double deadline);
  [[noreturn]] void fail_ended();
  std::string last_words() const;
  void end();

  PeerCommand command_;
  int socket_ = -1;
  pid_t pid_ = -1;
  std::string received_;
};

}  // namespace cllm::bench
