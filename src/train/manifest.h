// manifest.json of a folder: size and xxHash64 of every file in it, by which damage is found before
// anything is used.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"

namespace cllm {

// Lists the files that are in the folder now. Written last.
void write_manifest(const fs::path& folder);

// Error (kData), with this hint, that names the first file that is missing, of the wrong size, or
// whose checksum differs; also if the manifest is missing, damaged, or does not list one of
// `needed`.
void verify_manifest(const fs::path& folder, const std::vector<std::string>& needed,
                     const std::string& hint);

}  // namespace cllm
