// Writer of safetensors files: declare every tensor, then write() streams header and payloads into
// one file that is either complete or absent. The bytes depend only on the set of tensors and
// metadata, not on the order of declaration: wider dtypes first, then by name, so that every tensor
// is aligned for its type; the data starts at a multiple of 64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/dtype.h"

namespace cllm {

// Not thread-safe. Memory: the declarations, plus the largest tensor given as a fill function.
class SafetensorsWriter {
 public:
  // Writes all of a tensor's bytes (row-major, little-endian) into its argument.
  using Fill = std::function<void(std::span<std::byte>)>;

  // Metadata starts as {"format": "pt"}, which transformers looks for.
  void set_metadata(const std::string& key, const std::string& value);

  // `data` is not owned and must stay valid until write() returns; it may be null for a tensor
  // without elements. Names are unique.
  void add(const std::string& name, DType dtype, std::vector<int64_t> shape, const void* data);
  // The same for a tensor that is stored otherwise than it is kept, e.g. transposed: `fill` is
  // called once per write().
  void add(const std::string& name, DType dtype, std::vector<int64_t> shape, Fill fill);

  // Error (kRuntime), and no file, if it cannot be written, e.g. on a full disk.
  void write(const fs::path& path) const;

 private:
  struct Entry {
    std::string name;
    DType dtype;
    std::vector<int64_t> shape;
    size_t bytes;
    const void* data;
    Fill fill;
  };

  void insert(Entry entry);

  std::map<std::string, std::string> metadata_ = {{"format", "pt"}};
  std::vector<Entry> entries_;  // in file order
};

}  // namespace cllm
