// Element types in which activations are stored: fp32, and the two 16-bit formats that halve their
// memory and traffic. Kernels load them as fp32, compute in fp32 (or, in matrix products, in pairs
// of bf16 with fp32 sums) and round to nearest even when they store.
#pragma once

#include <cstdint>

namespace cllm::kernels {

// The upper half of an fp32: its range, 8 bits of precision.
struct Bf16 {
  uint16_t bits;
};

// IEEE 754 binary16: 11 bits of precision, largest 65504, subnormal below 2^-14.
struct Fp16 {
  uint16_t bits;
};

// Two neighbours: one step of a product of pairs.
struct Bf16Pair {
  Bf16 first, second;
};

enum class Storage : uint8_t { kFp32, kBf16, kFp16 };

constexpr int64_t storage_bytes(Storage storage) {
  return storage == Storage::kFp32 ? 4 : 2;
}

template <class S>
inline constexpr Storage kStorageOf = Storage::kFp32;
template <>
inline constexpr Storage kStorageOf<Bf16> = Storage::kBf16;
template <>
inline constexpr Storage kStorageOf<Fp16> = Storage::kFp16;

}  // namespace cllm::kernels
