#include "bench/peer_child.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>

#include "base/clock.h"
#include "base/error.h"

namespace cllm::bench {
namespace {

constexpr const char* kWhere = "bench peers";
constexpr int kPollMilliseconds = 100;
// How long a child that has closed its output may take to end by itself.
constexpr double kFarewellSeconds = 2;

std::string variable_name(const std::string& assignment) {
  return assignment.substr(0, assignment.find('='));
}

// Ours with `added` in the place of what has the same name.
std::vector<std::string> merged_environment(const std::vector<std::string>& added) {
  std::vector<std::string> merged = added;
  for (char** entry = environ; *entry != nullptr; ++entry)
    if (std::ranges::none_of(added, [&](const std::string& assignment) {
          return variable_name(assignment) == variable_name(*entry);
        }))
      merged.emplace_back(*entry);
  return merged;
}

std::vector<char*> pointers(const std::vector<std::string>& words) {
  std::vector<char*> result;
  for (const std::string& word : words)
    result.push_back(const_cast<char*>(word.c_str()));
  result.push_back(nullptr);
  return result;
}

void pause_milliseconds(int milliseconds) {
  const timespec time{0, milliseconds * 1'000'000L};
  ::nanosleep(&time, nullptr);
}

std::string how_it_ended(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  return fmt::format("ended with exit code {}", WEXITSTATUS(status));
}

}  // namespace

PeerChild::PeerChild(PeerCommand command) : command_(std::move(command)) {
  const std::vector<std::string> variables = merged_environment(command_.environment);
  std::vector<char*> arguments = pointers(command_.arguments), environment = pointers(variables);
  int ends[2], failed[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw Error(ErrorKind::kRuntime, kWhere, "cannot talk to a process: " + errno_text(), "");
  socket_ = ends[0];
  int error = 0;
  if (::pipe2(failed, O_CLOEXEC) != 0) {
    error = errno;
  } else {
    pid_ = ::fork();
    if (pid_ == 0) become(ends[1], failed[1], arguments.data(), environment.data());
    if (pid_ < 0) error = errno;
    ::close(failed[1]);
    // The pipe closes without a word when the program has started.
    if (pid_ > 0 && ::read(failed[0], &error, sizeof error) < 0) error = errno;
    ::close(failed[0]);
  }
  ::close(ends[1]);
  if (error == 0) return;
  const std::string why = std::strerror(error);
  end();
  throw Error(ErrorKind::kRuntime, command_.arguments.front(), "cannot be started: " + why,
              "install it, or name another one with --python PATH");
}

// In the child, where only async-signal-safe calls are allowed.
void PeerChild::become(int end, int failed, char** arguments, char** environment) const {
  ::setpgid(0, 0);  // Ctrl-C in the terminal is ours to handle
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGPIPE})
    ::signal(number, SIG_DFL);
  const int errors = ::open(command_.error_file.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  if (errors >= 0) ::dup2(errors, STDERR_FILENO);
  ::dup2(end, STDIN_FILENO);
  ::dup2(end, STDOUT_FILENO);
  ::execve(arguments[0], arguments, environment);
  const int error = errno;
  if (::write(failed, &error, sizeof error) < 0) ::_exit(126);
  ::_exit(127);
}

PeerChild::~PeerChild() {
  end();
}

void PeerChild::end() {
  if (pid_ > 0) {
    ::kill(-pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  if (socket_ >= 0) ::close(socket_);
  pid_ = socket_ = -1;
}

nlohmann::json PeerChild::greeting() {
  const std::string line = receive();
  nlohmann::json document = nlohmann::json::parse(line, nullptr, false);
  if (!document.is_object())
    throw Error(ErrorKind::kRuntime, kWhere,
                fmt::format("the peer answered '{}', which is no JSON object", line.substr(0, 80)),
                "");
  ::kill(-pid_, SIGSTOP);
  return document;
}

nlohmann::json PeerChild::ask(const std::string& request) {
  ::kill(-pid_, SIGCONT);
  send(request + "\n");
  return greeting();
}

void PeerChild::send(const std::string& line) {
  size_t sent = 0;
  while (sent < line.size()) {
    const ssize_t count = ::send(socket_, line.data() + sent, line.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_ended();
    sent += static_cast<size_t>(count);
  }
}

// One line without its end.
std::string PeerChild::receive() {
  const double deadline = steady_seconds() + command_.timeout;
  for (size_t newline; (newline = received_.find('\n')) == std::string::npos;) {
    if (!wait_readable(deadline)) continue;
    char buffer[65536];
    const ssize_t count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail_ended();
    received_.append(buffer, static_cast<size_t>(count));
  }
  const size_t newline = received_.find('\n');
  std::string line = received_.substr(0, newline);
  received_.erase(0, newline + 1);
  return line;
}

bool PeerChild::wait_readable(double deadline) {
  if (command_.check) command_.check();
  if (steady_seconds() > deadline)
    throw Error(ErrorKind::kRuntime, kWhere,
                fmt::format("the peer gave no answer within {} seconds", command_.timeout),
                "give it more with --timeout, or less to do");
  pollfd ready{socket_, POLLIN, 0};
  return ::poll(&ready, 1, kPollMilliseconds) > 0;
}

void PeerChild::fail_ended() {
  int status = 0;
  const double deadline = steady_seconds() + kFarewellSeconds;
  while (::waitpid(pid_, &status, WNOHANG) == 0) {
    if (steady_seconds() > deadline) {
      ::kill(-pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      break;
    }
    pause_milliseconds(10);
  }
  pid_ = -1;
  throw Error(ErrorKind::kRuntime, kWhere,
              fmt::format("the peer {}: {}", how_it_ended(status), last_words()), "");
}

std::string PeerChild::last_words() const {
  const std::string text = read_file(command_.error_file);
  const size_t last = text.find_last_not_of(" \n\r\t");
  if (last == std::string::npos) return "it said nothing";
  const size_t begin = text.find_last_of('\n', last);
  return text.substr(begin == std::string::npos ? 0 : begin + 1,
                     last - (begin == std::string::npos ? 0 : begin + 1) + 1);
}

}  // namespace cllm::bench
