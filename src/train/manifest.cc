#include "train/manifest.h"

#include <nlohmann/json.hpp>
#include <set>

#include "base/error.h"

namespace cllm {

void write_manifest(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder))
    names.insert(entry.path().filename().string());
  nlohmann::ordered_json files = nlohmann::ordered_json::object();
  for (const std::string& name : names)
    files[name] = {{"bytes", fs::file_size(folder / name)},
                   {"xxh64", hash64_hex(file_hash64(folder / name))}};
  write_file(folder / "manifest.json",
             nlohmann::ordered_json{{"version", 1}, {"files", files}}.dump(2) + "\n");
}

void verify_manifest(const fs::path& folder, const std::vector<std::string>& needed,
                     const std::string& hint) {
  using Json = nlohmann::json;
  const fs::path path = folder / "manifest.json";
  const Json manifest = Json::parse(read_file(path), nullptr, false);
  const auto damaged = [&](const fs::path& file, const std::string& what) {
    return Error(ErrorKind::kData, file.string(), what, hint);
  };
  if (!manifest.is_object() || !manifest.contains("files") || !manifest["files"].is_object())
    throw damaged(path, "is damaged");
  for (const auto& [name, entry] : manifest["files"].items()) {
    const fs::path file = folder / name;
    std::error_code error;
    const auto bytes = fs::file_size(file, error);
    if (error) throw damaged(file, "is missing");
    if (!entry.is_object()) throw damaged(path, "is damaged");
    if (entry.value("bytes", Json()) != bytes)
      throw damaged(file, fmt::format("has {} bytes, expected {}", bytes,
                                      entry.value("bytes", Json()).dump()));
    if (entry.value("xxh64", Json()) != hash64_hex(file_hash64(file)))
      throw damaged(file, "its checksum differs");
  }
  for (const std::string& name : needed)
    if (!manifest["files"].contains(name))
      throw damaged(path, fmt::format("does not list {}", name));
}

}  // namespace cllm
