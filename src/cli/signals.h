// Signals of a long-running command: the first SIGINT, SIGTERM or SIGHUP asks for an orderly stop,
// a second SIGINT ends the process at once, SIGUSR1 asks for a save. The handlers only set flags.
#pragma once

#include "train/run.h"

namespace cllm::cli {

// For every command: writing to a pipe without a reader becomes an error that main knows.
void ignore_broken_pipes();

void install_signal_handlers();

// The same for a command that has nothing to save and spends long times in code that cannot be
// asked to stop: if check_interrupt has not seen the request within a second, the process ends
// where it is, with the one line and the exit code of a stop.
void install_impatient_signal_handlers();

// What was asked for since the last call; a stop stays a stop.
RunRequest poll_signals();

// The signal that asked for a stop (SIGINT, SIGTERM, SIGHUP), or 0.
int stop_signal();

// Interrupted (train/interrupted.h) if a stop was asked for; main turns it into 128 + signal.
void check_interrupt();

}  // namespace cllm::cli
