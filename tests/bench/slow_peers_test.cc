// cllm bench peers with the real PyTorch of Debian, where it is installed.
#include <gmock/gmock.h>

#include <cstdlib>

#include "bench/fake_peer.h"
#include "bench/peers.h"
#include "temporary_folder.h"

namespace cllm::bench {
namespace {

constexpr const char* kPython = "/usr/bin/python3";

using SlowPeers = TemporaryFolder;

bool has_torch() {
  return std::system((std::string(kPython) + " -I -c 'import torch' 2>/dev/null").c_str()) == 0;
}

TEST_F(SlowPeers, PyTorchFollowsOurCurve) {
  if (!has_torch()) GTEST_SKIP() << kPython << " has no torch: apt-get install python3-torch";
  const Engine engine(1);
  write_file(folder_ / "torch_gpt2.py", kTorchPeer);
  PeersOptions options;
  options.command = {kPython, "-I", (folder_ / "torch_gpt2.py").string()};
  options.questions = as_installed(tuning_questions(1));
  options.rounds = 1;
  options.seconds = 0.01;
  Report report;
  for (const double dropout : {0.0, 0.2})
    run_peers({.preset = "nano", .precision = "fp32", .batch_size = 4, .dropout = dropout}, options,
              {.engine = engine, .folder = folder_}, report);
  ASSERT_EQ(report.results.size(), 4u);
  const Json& facts = report.results[1].extra["peer"]["facts"];
  EXPECT_EQ(facts["threads"], 1);
  const RunSettings settings = peer_settings({.preset = "nano", .precision = "fp32"});
  EXPECT_EQ(facts["parameters"], Transformer(settings.model).parameters().count());
}

}  // namespace
}  // namespace cllm::bench
