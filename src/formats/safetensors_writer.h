// Writer of safetensors files: declare every tensor, then write() streams header and payloads into
// one file that is either complete or absent. The bytes depend only on the set of tensors, not on
// the order of declaration: wider dtypes first, then by name, so that every tensor is aligned for
// its type; the data starts at a multiple of 64. The metadata is {"format": "pt"}, which
// transformers looks for.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "tensor/dtype.h"

namespace cllm {

// Not thread-safe. Memory: the declarations, plus 1 MiB if a tensor is given as a fill function.
class SafetensorsWriter {
 public:
  // to = the bytes [first, first + to.size()) of a tensor (row-major, little-endian). The slices of
  // a tensor are asked for in order, hold whole elements and at most 1 MiB; `to` is aligned for any
  // element.
  using Fill = std::function<void(size_t first, std::span<std::byte> to)>;

  // `data` is not owned and must stay valid until write() returns; it may be null for a tensor
  // without elements. Names are unique.
  void add(const std::string& name, DType dtype, std::vector<int64_t> shape, const void* data);
  // The same for a tensor that is stored otherwise than it is kept, e.g. transposed.
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
  static void write_filled(const Entry& entry, AtomicFile& file);

  std::vector<Entry> entries_;  // in file order
};

}  // namespace cllm
