// Element types of stored tensors: size and the name that safetensors headers use. Computation is
// in float; the other types exist in files and in storage.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cllm {

// The value indexes kDTypes.
enum class DType : uint8_t {
  kF64,
  kF32,
  kF16,
  kBF16,
  kI64,
  kI32,
  kI16,
  kI8,
  kU64,
  kU32,
  kU16,
  kU8,
  kBool,
};

struct DTypeInfo {
  std::string_view name;
  size_t bytes;  // of one element
};

inline constexpr std::array<DTypeInfo, 13> kDTypes = {{{"F64", 8},
                                                       {"F32", 4},
                                                       {"F16", 2},
                                                       {"BF16", 2},
                                                       {"I64", 8},
                                                       {"I32", 4},
                                                       {"I16", 2},
                                                       {"I8", 1},
                                                       {"U64", 8},
                                                       {"U32", 4},
                                                       {"U16", 2},
                                                       {"U8", 1},
                                                       {"BOOL", 1}}};

constexpr std::string_view dtype_name(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype)].name;
}

// Bytes of one element.
constexpr size_t dtype_bytes(DType dtype) {
  return kDTypes[static_cast<size_t>(dtype)].bytes;
}

constexpr std::optional<DType> dtype_from_name(std::string_view name) {
  for (size_t i = 0; i < kDTypes.size(); ++i)
    if (kDTypes[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

static_assert(dtype_name(DType::kBool) == "BOOL", "kDTypes must list the types in enum order");

}  // namespace cllm
