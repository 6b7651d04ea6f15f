// Reader of safetensors files (format: github.com/huggingface/safetensors): u64 little-endian
// header length, JSON header, then the tensors' bytes. The whole header is checked before anything
// of it is used, so a damaged or hostile file ends in one Error (kData) that names the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "tensor/dtype.h"

namespace cllm {

inline constexpr uint64_t kSafetensorsHeaderLimit = 100'000'000;  // bytes, from the format

// One tensor of an open file. `data` points into the file's map: row-major, little-endian, valid as
// long as the file object lives, and possibly unaligned for its dtype (use memcpy or copy_as_*).
struct StoredTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<int64_t> shape;  // every extent >= 0; empty for a scalar
  size_t elements = 0;
  size_t bytes = 0;
  const std::byte* data = nullptr;
  std::string file;  // where it lies, for error messages
};

// An open, validated file. Movable; tensors stay valid across a move. Reading is thread-safe.
class SafetensorsFile {
 public:
  // Error (kData) if the file cannot be read or is not exactly a safetensors file: header longer
  // than the file or 100 MB, invalid JSON, duplicate key, unknown dtype, bad shape, offsets that
  // leave a hole, overlap, disagree with the shape or with the size of the file.
  explicit SafetensorsFile(const fs::path& path);

  const std::string& path() const { return path_; }
  // Sorted by name.
  const std::vector<StoredTensor>& tensors() const { return tensors_; }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

  // nullptr if there is no such tensor. O(log tensors).
  const StoredTensor* find(std::string_view name) const;

 private:
  std::string path_;
  MappedFile map_;
  std::vector<StoredTensor> tensors_;
  std::map<std::string, std::string> metadata_;
};

// "[3, 24]"
std::string shape_text(std::span<const int64_t> shape);

// Error (kData) that names file, tensor and both shapes unless tensor.shape equals `shape`.
void require_shape(const StoredTensor& tensor, std::span<const int64_t> shape);

// to = the tensor's values; to.size() must be tensor.elements. Exact from F32, F16 and BF16 (and
// F64 to double); F64 to float rounds to nearest. Error (kData) for integer and BOOL tensors.
void copy_as_float(const StoredTensor& tensor, std::span<float> to);
void copy_as_double(const StoredTensor& tensor, std::span<double> to);

}  // namespace cllm
