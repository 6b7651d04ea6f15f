// Runs the program under test (CLLM_PROGRAM) as a child process and captures what it writes.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace cllm::cli {

struct ProgramOptions {
  std::string input = {};                     // standard input
  std::vector<std::string> environment = {};  // "NAME=value", added; "NAME" alone, removed
  int output = -1;                            // a descriptor to use as standard output instead
  bool close_output = false;                  // start without a standard output
  std::string folder = {};                    // working directory
};

struct ProgramResult {
  int code = -1;  // exit code; 128 + signal if it was killed by one
  std::string out, err;
  int64_t peak_bytes = 0;  // of resident memory
};

// A child process. Standard output and error go to anonymous files, so that it never waits for its
// reader. Killed by the destructor if it still runs.
class RunningProgram {
 public:
  explicit RunningProgram(const std::vector<std::string>& arguments,
                          const ProgramOptions& options = {})
      : out_(std::tmpfile(), std::fclose),
        err_(std::tmpfile(), std::fclose),
        in_(std::tmpfile(), std::fclose) {
    if (!out_ || !err_ || !in_) throw std::runtime_error("cannot make temporary files");
    std::fwrite(options.input.data(), 1, options.input.size(), in_.get());
    std::rewind(in_.get());
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) become(arguments, options);
  }
  ~RunningProgram() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  RunningProgram(const RunningProgram&) = delete;
  RunningProgram& operator=(const RunningProgram&) = delete;

  pid_t pid() const { return pid_; }
  void signal(int number) const { ::kill(pid_, number); }
  // Whether it has not ended yet.
  bool runs() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == 0;
  }
  // What it has written so far.
  std::string out() const { return contents(out_.get()); }
  std::string err() const { return contents(err_.get()); }

  // Waits for its end.
  ProgramResult wait() {
    int status = 0;
    struct rusage usage {};
    if (::wait4(pid_, &status, 0, &usage) != pid_) throw std::runtime_error("cannot wait");
    pid_ = -1;
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return {code, out(), err(), int64_t{1024} * usage.ru_maxrss};
  }

 private:
  using File = std::unique_ptr<FILE, int (*)(FILE*)>;

  [[noreturn]] void become(const std::vector<std::string>& arguments,
                           const ProgramOptions& options) {
    // A signal that the parent ignores would stay ignored.
    for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
      ::signal(number, SIG_DFL);
    for (const std::string& variable : options.environment) {
      const size_t sign = variable.find('=');
      if (sign == std::string::npos)
        ::unsetenv(variable.c_str());
      else
        ::setenv(variable.substr(0, sign).c_str(), variable.c_str() + sign + 1, 1);
    }
    if (!options.folder.empty() && ::chdir(options.folder.c_str()) != 0) ::_exit(126);
    ::dup2(::fileno(in_.get()), STDIN_FILENO);
    ::dup2(options.output >= 0 ? options.output : ::fileno(out_.get()), STDOUT_FILENO);
    ::dup2(::fileno(err_.get()), STDERR_FILENO);
    if (options.close_output) ::close(STDOUT_FILENO);
    std::vector<std::string> words = {CLLM_PROGRAM};
    words.insert(words.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& word : words)
      argv.push_back(word.data());
    argv.push_back(nullptr);
    ::execv(CLLM_PROGRAM, argv.data());
    ::_exit(127);
  }

  static std::string contents(FILE* file) {
    std::string text;
    char buffer[4096];
    ssize_t bytes = 0;
    while ((bytes = ::pread(::fileno(file), buffer, sizeof buffer,
                            static_cast<off_t>(text.size()))) > 0)
      text.append(buffer, static_cast<size_t>(bytes));
    return text;
  }

  File out_, err_, in_;
  pid_t pid_ = -1;
};

inline ProgramResult run_program(const std::vector<std::string>& arguments,
                                 const ProgramOptions& options = {}) {
  return RunningProgram(arguments, options).wait();
}

}  // namespace cllm::cli
