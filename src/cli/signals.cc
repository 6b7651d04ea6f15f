#include "cli/signals.h"

#include <signal.h>
#include <unistd.h>

#include <atomic>

#include "train/interrupted.h"

namespace cllm::cli {
namespace {

constexpr unsigned kPatienceSeconds = 1;

// A handler has no other way to reach the program: these are its mailbox.
std::atomic<int> stop_requested{0};
std::atomic<bool> save_requested{false};
std::atomic<bool> impatient{false};
static_assert(std::atomic<int>::is_always_lock_free);

void on_signal(int signal) {
  if (signal == SIGUSR1) {
    save_requested.store(true, std::memory_order_relaxed);
    return;
  }
  const int earlier = stop_requested.exchange(signal, std::memory_order_relaxed);
  if (earlier != 0 && signal == SIGINT) ::_exit(128 + SIGINT);
  if (earlier == 0 && impatient.load(std::memory_order_relaxed)) ::alarm(kPatienceSeconds);
}

// Only what a handler may call.
void on_alarm(int) {
  const int signal = stop_requested.load(std::memory_order_relaxed);
  char line[] = "cllm: stopped by signal 00\n";
  char* const digits = line + sizeof line - 4;
  digits[0] = static_cast<char>('0' + signal / 10);
  digits[1] = static_cast<char>('0' + signal % 10);
  if (signal < 10) {
    digits[0] = digits[1];
    digits[1] = '\n';
  }
  const size_t length = sizeof line - (signal < 10 ? 2 : 1);
  static_cast<void>(::write(STDERR_FILENO, line, length) == 0);  // there is nobody left to tell
  ::_exit(128 + signal);
}

void handle(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

bool is_ignored(int signal) {
  struct sigaction action {};
  ::sigaction(signal, nullptr, &action);
  return action.sa_handler == SIG_IGN;
}

}  // namespace

void ignore_broken_pipes() {
  handle(SIGPIPE, SIG_IGN);
  handle(SIGXFSZ, SIG_IGN);  // a file at its size limit is an error like a full disk
}

void install_signal_handlers() {
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1})
    handle(signal, on_signal);
  if (!is_ignored(SIGHUP)) handle(SIGHUP, on_signal);  // nohup stays in force
}

void install_impatient_signal_handlers() {
  impatient.store(true, std::memory_order_relaxed);
  handle(SIGALRM, on_alarm);
  install_signal_handlers();
}

RunRequest poll_signals() {
  if (stop_requested.load(std::memory_order_relaxed) != 0) return RunRequest::kStop;
  return save_requested.exchange(false, std::memory_order_relaxed) ? RunRequest::kSave
                                                                   : RunRequest::kNone;
}

void check_interrupt() {
  const int signal = stop_signal();
  if (signal == 0) return;
  ::alarm(0);  // it has been heard
  throw Interrupted(fmt::format("stopped by signal {}", signal));
}

int stop_signal() {
  return stop_requested.load(std::memory_order_relaxed);
}

}  // namespace cllm::cli
