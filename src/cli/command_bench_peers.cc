// cllm bench peers: our training step beside PyTorch's.
#include <unistd.h>

#include <memory>

#include "base/error.h"
#include "bench/peers.h"
#include "cli/bench_options.h"
#include "cli/input.h"
#include "cli/program.h"
#include "cli/signals.h"

namespace cllm::cli {
namespace {

constexpr const char* kPython = "/usr/bin/python3";
constexpr int64_t kRounds = 7;

struct PeersCommandOptions {
  BenchOptions common;
  std::vector<std::string> presets = {"nano", "baby", "gpt2"};
  std::vector<std::string> precisions = {"fp32", "bf16"};
  bench::PeerJob shape;
  double seconds = 2, timeout = 600;
  bool as_installed = false;
  std::string python = kPython;
};

bench::PeersOptions peers_options(const PeersCommandOptions& options, int threads,
                                  const fs::path& folder) {
  if (::access(options.python.c_str(), X_OK) != 0)
    throw Error(ErrorKind::kRuntime, options.python, "cannot be started: " + errno_text(),
                "apt-get install python3-torch, or name another Python with --python PATH");
  const fs::path script = folder / "torch_gpt2.py";
  write_file(script, bench::kTorchPeer);
  bench::PeersOptions peers;
  // Isolated: packages of the user's own must not come before the interpreter's.
  peers.command = {options.python, "-I", script.string()};
  peers.questions = bench::tuning_questions(threads);
  if (options.as_installed) peers.questions = bench::as_installed(peers.questions);
  peers.rounds = static_cast<int>(options.common.rounds);
  peers.seconds = options.seconds;
  peers.timeout = options.timeout;
  return peers;
}

int peers_command(const PeersCommandOptions& options, const CLI::App& command,
                  ActionContext& context) {
  install_signal_handlers();
  const ScratchFolder scratch;
  const Engine engine(static_cast<int>(options.common.threads));
  const bench::PeersOptions peers = peers_options(options, engine.threads().count, scratch.path());
  context.log.info(engine.description());
  const bench::PeersHost host{
      .engine = engine,
      .folder = scratch.path(),
      .check_interrupt = check_interrupt,
      .say = [&](const std::string& news) { context.log.info(news); },
      .progress = [&](const std::string& label) { return bench_progress(context.log, label); }};
  bench::Report report = new_report("peers", engine);
  bench::PeerJob job = options.shape;
  for (const std::string& preset : options.presets)
    for (const std::string& precision : options.precisions) {
      job.preset = preset;
      job.precision = precision;
      bench::run_peers(job, peers, host, report);
    }
  report.notes.emplace_back(
      "ratio: median over the rounds of ours / theirs, with the interval that holds it at the "
      "confidence told");
  return finish_bench(report, command, options.common, context);
}

void add_shape(CLI::App& command, PeersCommandOptions& options) {
  command.add_option("--preset", options.presets, "models: nano, baby, gpt2 (default: all)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"nano", "baby", "gpt2"}).description(""));
  command.add_option("--precision", options.precisions, "precisions: fp32, bf16 (default: both)")
      ->type_name("NAME")
      ->check(CLI::IsMember({"fp32", "bf16"}).description(""));
  command
      .add_option("--batch-size", options.shape.batch_size,
                  "sequences (default: 12 for nano, 64 for baby, 4 for gpt2)")
      ->type_name("B")
      ->check(CLI::Range(1, 1 << 20).description(""));
  command
      .add_option("--context-length", options.shape.context_length,
                  "tokens per sequence (default: the preset's)")
      ->type_name("T")
      ->check(CLI::Range(1, 1 << 20).description(""));
  command
      .add_option("--dropout", options.shape.dropout,
                  "dropout while timing, 0.2 in nanoGPT's recipe for baby (default 0)")
      ->type_name("SHARE")
      ->check(CLI::Range(0.0, 0.99).description(""));
}

void add_peer(CLI::App& command, PeersCommandOptions& options) {
  command.add_option("--seconds", options.seconds, "length of one turn (default 2)")
      ->type_name("S")
      ->check(CLI::Range(0.0, 3600.0).description(""));
  command.add_flag("--as-installed", options.as_installed,
                   "do not look for the peer's best allocator, BLAS and thread placement");
  command
      .add_option("--python", options.python,
                  fmt::format("Python with PyTorch (default {})", kPython))
      ->type_name("PATH");
  command
      .add_option("--timeout", options.timeout,
                  "longest wait for one answer of the peer (default 600)")
      ->type_name("S")
      ->check(CLI::Range(0.1, 1e6).description(""));
}

}  // namespace

void add_bench_peers(Program& program, CLI::App& bench) {
  CLI::App* command = add_command(
      program, bench, "peers", "Compare training with PyTorch's, in turns (needs python3-torch)",
      "  cllm bench peers --preset nano --precision fp32\n"
      "  cllm bench peers --preset baby --dropout 0.2 --save peers.json\n"
      "  cllm bench peers --preset gpt2 --precision bf16 --as-installed");
  auto options = std::make_shared<PeersCommandOptions>();
  options->common.add_to(*command, kRounds);
  add_shape(*command, *options);
  add_peer(*command, *options);
  command->callback([&program, options, command] {
    program.action = [options, command](ActionContext& context) {
      return peers_command(*options, *command, context);
    };
  });
}

}  // namespace cllm::cli
