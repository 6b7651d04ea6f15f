#include "formats/safetensors_writer.h"

#include <algorithm>
#include <bit>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/check.h"
#include "formats/safetensors.h"

namespace cllm {
namespace {

using nlohmann::ordered_json;

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

constexpr size_t kDataAlignment = 64;
constexpr size_t kSliceBytes = 1 << 20;  // a multiple of every element size

size_t count_bytes(DType dtype, const std::vector<int64_t>& shape) {
  size_t bytes = dtype_bytes(dtype);
  for (const int64_t extent : shape) {
    CHECK(extent >= 0);
    CHECK(!__builtin_mul_overflow(bytes, static_cast<size_t>(extent), &bytes));
  }
  return bytes;
}

}  // namespace

void SafetensorsWriter::add(const std::string& name, DType dtype, std::vector<int64_t> shape,
                            const void* data) {
  const size_t bytes = count_bytes(dtype, shape);
  CHECK_MSG(data != nullptr || bytes == 0, "tensor {}", name);
  insert({name, dtype, std::move(shape), bytes, data, {}});
}

void SafetensorsWriter::add(const std::string& name, DType dtype, std::vector<int64_t> shape,
                            Fill fill) {
  const size_t bytes = count_bytes(dtype, shape);
  insert({name, dtype, std::move(shape), bytes, nullptr, std::move(fill)});
}

void SafetensorsWriter::insert(Entry entry) {
  CHECK(entry.name != "__metadata__");
  const auto key = [](const Entry& e) {
    return std::pair(~dtype_bytes(e.dtype), std::string_view(e.name));
  };
  for (const Entry& other : entries_)
    CHECK_MSG(other.name != entry.name, "tensor {}", entry.name);
  const auto at = std::upper_bound(entries_.begin(), entries_.end(), entry,
                                   [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
  entries_.insert(at, std::move(entry));
}

void SafetensorsWriter::write_filled(const Entry& entry, AtomicFile& file) {
  std::vector<std::byte> slice;
  for (size_t first = 0; first < entry.bytes; first += slice.size()) {
    slice.resize(std::min(kSliceBytes, entry.bytes - first));
    entry.fill(first, slice);
    file.write(slice.data(), slice.size());
  }
}

void SafetensorsWriter::write(const fs::path& path) const {
  ordered_json header = ordered_json::object();
  header["__metadata__"] = {{"format", "pt"}};
  uint64_t offset = 0;
  for (const Entry& entry : entries_) {
    header[entry.name] = {{"dtype", dtype_name(entry.dtype)},
                          {"shape", entry.shape},
                          {"data_offsets", {offset, offset + entry.bytes}}};
    offset += entry.bytes;
  }
  std::string text = header.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  text.append((kDataAlignment - (8 + text.size()) % kDataAlignment) % kDataAlignment, ' ');
  CHECK(text.size() <= kSafetensorsHeaderLimit);

  AtomicFile file(path);
  const uint64_t length = text.size();
  file.write(&length, sizeof length);
  file.write(text);
  for (const Entry& entry : entries_) {
    if (entry.fill)
      write_filled(entry, file);
    else
      file.write(entry.data, entry.bytes);
  }
  file.commit();
}

}  // namespace cllm
