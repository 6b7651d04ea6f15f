// Signals of a long-running command: the first SIGINT, SIGTERM or SIGHUP asks for an orderly stop,
// a second SIGINT ends the process at once, SIGUSR1 asks for a save. SIGPIPE is ignored. The
// handlers only set flags.
#pragma once

#include "train/run.h"

namespace cllm::cli {

void install_signal_handlers();

// What was asked for since the last call; a stop stays a stop.
RunRequest poll_signals();

// The signal that asked for a stop (SIGINT, SIGTERM, SIGHUP), or 0.
int stop_signal();

}  // namespace cllm::cli
