// A stand-in for the peer: shell text that speaks the protocol of bench/peer_child.h.
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/file.h"

namespace cllm::bench {

// Writes the text as a script into the folder; returns what runs it.
inline std::vector<std::string> fake_peer(const fs::path& folder, const std::string& text) {
  const fs::path script = folder / "fake_peer.sh";
  write_file(script, text);
  return {"/bin/sh", script.string()};
}

}  // namespace cllm::bench
