#include "bench/gemm_opponents.h"

#include <dlfcn.h>
#include <fmt/format.h>

namespace cllm::bench {
namespace {

struct Library {
  const char* name;
  const char* module;
  const char* package;
};

constexpr Library kLibraries[] = {{"OpenBLAS", "libcllm_gemm_openblas.so", "libopenblas-dev"},
                                  {"oneDNN", "libcllm_gemm_onednn.so", "libdnnl-dev"}};

const OpponentModule* load(const fs::path& path) {
  void* const library = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
  if (library == nullptr) return nullptr;
  const auto entry = reinterpret_cast<OpponentEntry>(::dlsym(library, kOpponentEntry));
  return entry == nullptr ? nullptr : entry();
}

}  // namespace

Opponents load_opponents(const fs::path& folder, int threads) {
  Opponents found;
  for (const Library& library : kLibraries) {
    const fs::path path = folder / library.module;
    if (!fs::exists(path)) {
      found.notes.push_back(
          fmt::format("{} is absent; install {} and build again", library.name, library.package));
      continue;
    }
    const OpponentModule* const module = load(path);
    if (module == nullptr) {
      const char* const reason = ::dlerror();
      found.notes.push_back(fmt::format("{} cannot be loaded: {}", library.name,
                                        reason == nullptr ? "no module of ours" : reason));
      continue;
    }
    module->use_threads(threads);
    found.notes.push_back(fmt::format("{}: {}", library.name, module->library));
    for (int i = 0; i < module->count; ++i)
      found.all.push_back(
          {fmt::format("{} {}", library.name, module->variants[i].name), &module->variants[i]});
  }
  return found;
}

fs::path program_folder() {
  std::error_code failed;
  return fs::read_symlink("/proc/self/exe", failed).parent_path();
}

}  // namespace cllm::bench
