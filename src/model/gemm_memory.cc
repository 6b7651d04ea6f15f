#include "model/gemm_memory.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/units.h"
#include "threads/machine.h"

namespace cllm {
namespace {

using Json = nlohmann::json;

// Which machine the figures belong to.
Json machine_json() {
  return {{"cpu", cpu_name()}, {"level2", level2_bytes()}};
}

// The file if it is of this machine, else an empty one for it.
Json read_memory(const fs::path& path) {
  const Json fresh = {{"machine", machine_json()}, {"sides", Json::object()}};
  std::error_code missing;
  if (path.empty() || !fs::exists(path, missing)) return fresh;
  try {
    Json known = Json::parse(read_file(path));
    if (known.at("machine") == fresh.at("machine") && known.at("sides").is_object()) return known;
  } catch (const Json::exception&) {
  } catch (const Error&) {
  }
  return fresh;
}

bool is_side(int64_t side) {
  return side >= ops::kLeastGemmSide && side <= ops::kLargestGemmSide &&
         side % ops::kGemmSideUnit == 0;
}

}  // namespace

fs::path gemm_memory_path() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return fs::path(cache) / "cllm" / "gemm.json";
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home == '/') return fs::path(home) / ".cache" / "cllm" / "gemm.json";
  return {};
}

ChosenBlocking choose_blocking(const kernels::Table& table) {
  const fs::path path = gemm_memory_path();
  const Json memory = read_memory(path);
  const Json& sides = memory.at("sides");
  if (sides.contains(table.name) && sides.at(table.name).is_number_integer()) {
    const auto side = sides.at(table.name).get<int64_t>();
    if (is_side(side)) return {{side}, fmt::format("measured, from {}", path.string())};
  }
  return {ops::GemmBlocking::computed(),
          fmt::format("computed from {} of L2 cache; `cllm bench gemm --tune` measures",
                      format_bytes(static_cast<double>(level2_bytes())))};
}

void require_gemm_memory() {
  if (gemm_memory_path().empty())
    throw Error(ErrorKind::kUsage, "XDG_CACHE_HOME",
                "neither it nor HOME names a folder to remember tile sizes in", "set one");
}

fs::path remember_blocking(const kernels::Table& table, const ops::GemmBlocking& blocking) {
  require_gemm_memory();
  const fs::path path = gemm_memory_path();
  Json memory = read_memory(path);
  memory["sides"][table.name] = blocking.side;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  write_file(path, memory.dump(2) + "\n");
  return path;
}

}  // namespace cllm
