#include "bench/worker.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <new>

#include "base/error.h"

namespace cllm::bench {
namespace {

constexpr int kIdleMilliseconds = 100;
// An answer begins with this if all went well, else with the error's kind as a digit.
constexpr char kDone = '0';

[[noreturn]] void fail_to_start() {
  throw Error(ErrorKind::kRuntime, "worker process", "cannot be started: " + errno_text(),
              "free memory or processes");
}

void send(int descriptor, std::string line) {
  line += '\n';
  for (size_t sent = 0; sent < line.size();) {
    const ssize_t count = ::write(descriptor, line.data() + sent, line.size() - sent);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return;  // the reader has gone; it will say so
    sent += static_cast<size_t>(count);
  }
}

// The next line without its end; false at the end of the stream.
bool receive(int descriptor, std::string& buffer, std::string& line) {
  for (;;) {
    const size_t end = buffer.find('\n');
    if (end != std::string::npos) {
      line = buffer.substr(0, end);
      buffer.erase(0, end + 1);
      return true;
    }
    char bytes[4096];
    const ssize_t count = ::read(descriptor, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    buffer.append(bytes, static_cast<size_t>(count));
  }
}

// What `work` gives, or its error, in the form of an answer.
template <class Work>
std::string answer(const Work& work) {
  try {
    return kDone + work();
  } catch (const Error& error) {
    return std::to_string(error.exit_code()) + error.what();
  } catch (const std::bad_alloc&) {
    return std::to_string(static_cast<int>(ErrorKind::kMemory)) + "out of memory";
  } catch (const std::exception& error) {
    return std::to_string(static_cast<int>(ErrorKind::kRuntime)) + error.what();
  }
}

[[noreturn]] void serve(int from, int to, const std::function<Worker::Serve()>& start) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  Worker::Serve work;
  std::string buffer, request;
  // A failed start is told as the answer to every request.
  const std::string started = answer([&] {
    work = start();
    return std::string();
  });
  while (receive(from, buffer, request))
    send(to, started[0] == kDone ? answer([&] { return work(request); }) : started);
  ::_exit(0);
}

}  // namespace

Worker::Worker(const std::function<Serve()>& start) {
  int requests[2], answers[2];
  if (::pipe2(requests, O_CLOEXEC) != 0) fail_to_start();
  if (::pipe2(answers, O_CLOEXEC) != 0) {
    ::close(requests[0]), ::close(requests[1]);
    fail_to_start();
  }
  process_ = ::fork();
  if (process_ == 0) {
    ::close(requests[1]), ::close(answers[0]);
    serve(requests[0], answers[1], start);
  }
  ::close(requests[0]), ::close(answers[1]);
  to_ = requests[1], from_ = answers[0];
  if (process_ < 0) {
    ::close(to_), ::close(from_);
    fail_to_start();
  }
}

Worker::~Worker() {
  ::kill(process_, SIGKILL);
  ::close(to_);
  ::close(from_);
  ::waitpid(process_, nullptr, 0);
}

std::string Worker::ask(const std::string& request, const Idle& idle) {
  send(to_, request);
  while (received_.find('\n') == std::string::npos) {
    pollfd ready{from_, POLLIN, 0};
    if (idle) idle();
    if (::poll(&ready, 1, kIdleMilliseconds) <= 0) continue;
    char bytes[4096];
    const ssize_t count = ::read(from_, bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) fail();
    received_.append(bytes, static_cast<size_t>(count));
  }
  std::string line;
  receive(from_, received_, line);
  if (line[0] == kDone) return line.substr(1);
  throw Error(static_cast<ErrorKind>(line[0] - kDone), "", line.substr(1), "");
}

void Worker::fail() {
  throw Error(ErrorKind::kRuntime, "worker process", "died",
              "it may have been killed for its memory; choose a smaller model or batch");
}

}  // namespace cllm::bench
