#include "formats/safetensors.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "formats/header_json.h"

namespace cllm {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

[[noreturn]] void fail(const std::string& file, const std::string& what) {
  throw Error(ErrorKind::kData, file, what,
              "the file is damaged or not a safetensors file; get a fresh copy");
}

// The header's text; checks the length field against the file.
std::string_view header_text(const MappedFile& map, const std::string& file) {
  if (map.size() < 8)
    fail(file, fmt::format("{} bytes are too few for a safetensors header", map.size()));
  uint64_t length = 0;
  std::memcpy(&length, map.data(), 8);
  if (length > kSafetensorsHeaderLimit)
    fail(file, fmt::format("header length {} is over the limit of {} bytes", length,
                           kSafetensorsHeaderLimit));
  if (length > map.size() - 8)
    fail(file,
         fmt::format("header of {} bytes does not fit in a file of {} bytes", length, map.size()));
  const std::string_view text = map.text().substr(8, static_cast<size_t>(length));
  if (text.empty() || text.front() != '{') fail(file, "the header does not begin with '{'");
  return text;
}

bool read_shape(const json& value, std::vector<int64_t>& shape) {
  if (!value.is_array()) return false;
  for (const json& extent : value) {
    if (!extent.is_number_unsigned()) return false;
    const uint64_t number = extent.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return false;
    shape.push_back(static_cast<int64_t>(number));
  }
  return true;
}

// Sets elements and bytes from shape and dtype; false on overflow.
bool measure(StoredTensor& tensor) {
  tensor.elements = 1;
  for (const int64_t extent : tensor.shape)
    if (__builtin_mul_overflow(tensor.elements, static_cast<size_t>(extent), &tensor.elements))
      return false;
  return !__builtin_mul_overflow(tensor.elements, dtype_bytes(tensor.dtype), &tensor.bytes);
}

// One tensor's header entry; `available` is the number of data bytes in the file.
StoredTensor read_entry(const std::string& file, const std::string& name, const json& entry,
                        const std::byte* data, size_t available) {
  StoredTensor tensor;
  tensor.name = name;
  tensor.file = file;
  const auto refuse = [&](const std::string& what) {
    fail(file, fmt::format("tensor {}: {}", quote_name(name), what));
  };
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets"))
    refuse("its entry is not {dtype, shape, data_offsets}");
  if (!entry["dtype"].is_string()) refuse("dtype is not a string");
  const auto dtype = dtype_from_name(entry["dtype"].get_ref<const std::string&>());
  if (!dtype)
    refuse(fmt::format("dtype {} is unknown",
                       quote_name(entry["dtype"].get_ref<const std::string&>())));
  tensor.dtype = *dtype;
  if (!read_shape(entry["shape"], tensor.shape))
    refuse("shape is not a list of non-negative integers");
  if (!measure(tensor)) refuse(fmt::format("shape {} overflows", shape_text(tensor.shape)));
  const json& offsets = entry["data_offsets"];
  if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
      !offsets[1].is_number_unsigned())
    refuse("data_offsets is not [begin, end]");
  const uint64_t begin = offsets[0].get<uint64_t>();
  const uint64_t end = offsets[1].get<uint64_t>();
  if (begin > end || end > available)
    refuse(fmt::format("data_offsets [{}, {}] do not lie in the file's {} data bytes", begin, end,
                       available));
  if (end - begin != tensor.bytes)
    refuse(fmt::format("{} bytes of data, but {} {} needs {}", end - begin,
                       dtype_name(tensor.dtype), shape_text(tensor.shape), tensor.bytes));
  tensor.data = data + begin;
  return tensor;
}

std::map<std::string, std::string> read_metadata(const std::string& file, const json& entry) {
  if (!entry.is_object()) fail(file, "__metadata__ is not an object");
  std::map<std::string, std::string> metadata;
  for (const auto& [key, value] : entry.items()) {
    if (!value.is_string())
      fail(file, fmt::format("__metadata__ {} is not a string", quote_name(key)));
    metadata.emplace(key, value.get<std::string>());
  }
  return metadata;
}

// The tensors, in any order, must tile the data bytes without hole or overlap.
void check_tiling(const std::string& file, const std::vector<StoredTensor>& tensors,
                  const std::byte* data, size_t available) {
  std::vector<const StoredTensor*> order;
  order.reserve(tensors.size());
  for (const StoredTensor& tensor : tensors)
    order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const StoredTensor* a, const StoredTensor* b) {
    return std::pair(a->data, a->bytes) < std::pair(b->data, b->bytes);
  });
  size_t covered = 0;
  for (const StoredTensor* tensor : order) {
    const size_t begin = static_cast<size_t>(tensor->data - data);
    if (begin != covered)
      fail(file, fmt::format("tensor {} begins at data byte {}, expected {}",
                             quote_name(tensor->name), begin, covered));
    covered += tensor->bytes;
  }
  if (covered != available)
    fail(file,
         fmt::format("the header describes {} data bytes, the file has {}", covered, available));
}

float half_to_float(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 0x1Fu;
  const uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0) {  // zero and subnormals: mantissa * 2^-24, exact in float
    const float magnitude = static_cast<float>(mantissa) * 0x1.0p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(magnitude) | sign);
  }
  const uint32_t wide = exponent == 0x1Fu ? 0xFFu : exponent + (127 - 15);
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

float bfloat_to_float(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}

// to[i] = convert(i-th From of the tensor); memcpy because the data may be unaligned.
template <class From, class To, class Convert>
void convert_all(const StoredTensor& tensor, std::span<To> to, Convert convert) {
  for (size_t i = 0; i < to.size(); ++i) {
    From value;
    std::memcpy(&value, tensor.data + i * sizeof(From), sizeof(From));
    to[i] = static_cast<To>(convert(value));
  }
}

template <class To>
void copy_as(const StoredTensor& tensor, std::span<To> to) {
  CHECK_EQ(to.size(), tensor.elements);
  const auto same = [](auto value) { return value; };
  switch (tensor.dtype) {
    case DType::kF64:
      return convert_all<double>(tensor, to, same);
    case DType::kF32:
      return convert_all<float>(tensor, to, same);
    case DType::kF16:
      return convert_all<uint16_t>(tensor, to, half_to_float);
    case DType::kBF16:
      return convert_all<uint16_t>(tensor, to, bfloat_to_float);
    default:
      throw Error(ErrorKind::kData, tensor.file,
                  fmt::format("tensor {} has dtype {}, expected F64, F32, F16 or BF16",
                              quote_name(tensor.name), dtype_name(tensor.dtype)),
                  "quantised and integer weights are not supported; use a float copy of the model");
  }
}

}  // namespace

SafetensorsFile::SafetensorsFile(const fs::path& path) : path_(path.string()), map_(path) {
  const std::string_view text = header_text(map_, path_);
  const json header = parse_header_json(text, path_);
  const std::byte* data = map_.data() + 8 + text.size();
  const size_t available = map_.size() - 8 - text.size();
  for (const auto& [name, entry] : header.items()) {  // json objects iterate sorted by key
    if (name == "__metadata__")
      metadata_ = read_metadata(path_, entry);
    else
      tensors_.push_back(read_entry(path_, name, entry, data, available));
  }
  check_tiling(path_, tensors_, data, available);
}

const StoredTensor* SafetensorsFile::find(std::string_view name) const {
  const auto at = std::lower_bound(
      tensors_.begin(), tensors_.end(), name,
      [](const StoredTensor& tensor, std::string_view key) { return tensor.name < key; });
  return at != tensors_.end() && at->name == name ? &*at : nullptr;
}

std::string shape_text(std::span<const int64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

void require_shape(const StoredTensor& tensor, std::span<const int64_t> shape) {
  if (std::equal(tensor.shape.begin(), tensor.shape.end(), shape.begin(), shape.end())) return;
  throw Error(ErrorKind::kData, tensor.file,
              fmt::format("tensor {} has shape {}, expected {}", quote_name(tensor.name),
                          shape_text(tensor.shape), shape_text(shape)),
              "the weights and the configuration do not belong together");
}

void copy_as_float(const StoredTensor& tensor, std::span<float> to) {
  copy_as(tensor, to);
}

void copy_as_double(const StoredTensor& tensor, std::span<double> to) {
  copy_as(tensor, to);
}

}  // namespace cllm
