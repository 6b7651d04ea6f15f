// cllm bench peers: the same model trained on the same batches by us and by another program, in
// turns, with the other one set up as fast as it can be and checked to do the same work.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/file.h"
#include "bench/peer_job.h"
#include "bench/peer_tuning.h"
#include "bench/report.h"
#include "bench/statistics.h"
#include "model/engine.h"

namespace cllm::bench {

// The peer's program for PyTorch, Python text (bench/peers/torch_gpt2.py).
extern const char* const kTorchPeer;

struct PeersOptions {
  // Program and arguments of the peer; the path of its instructions is added.
  std::vector<std::string> command;
  std::vector<TuningQuestion> questions;  // none: the peer is run as it is
  int rounds = 7;
  double seconds = 2;    // of one turn of the slower side, at least one step
  double timeout = 600;  // seconds for one answer of the peer
};

// What a job needs of its surroundings.
struct PeersHost {
  const Engine& engine;
  fs::path folder;  // exists, is empty or ours; files are written into it
  std::function<void()> check_interrupt;
  std::function<void(const std::string&)> say;                   // a line of news
  std::function<Progressed(const std::string& label)> progress;  // of the measured rounds
};

// Adds two results to the report, "<preset> <precision> cllm" and "<preset> <precision> pytorch" in
// tokens/s, and a note that says how the peer was set up. First three steps without dropout are run
// on both sides and must give the same losses and gradient norms, for every set-up that is tried.
// Error (kRuntime) if they do not, or if the peer is missing, ends or hangs; (kUsage) for a wrong
// job; (kMemory).
void run_peers(const PeerJob& job, const PeersOptions& options, const PeersHost& host,
               Report& report);

}  // namespace cllm::bench
