// What this program was built from, as CMake saw it.
#pragma once

namespace cllm::cli {

struct BuildInfo {
  const char* version;     // "0.1.0"
  const char* commit;      // git describe, "unknown" outside of a repository
  const char* compiler;    // "GNU 12.2.0"
  const char* build_type;  // "Release", with sanitizers if there are any
};

BuildInfo build_info();

}  // namespace cllm::cli
