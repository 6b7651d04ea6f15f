#include "base/philox.h"

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace cllm {
namespace {

// Multipliers and Weyl constants of Philox 4x32.
constexpr uint64_t kMultiplier0 = 0xD2511F53;
constexpr uint64_t kMultiplier1 = 0xCD9E8D57;
constexpr uint32_t kWeyl0 = 0x9E3779B9;
constexpr uint32_t kWeyl1 = 0xBB67AE85;

double to_unit(uint32_t high, uint32_t low) {
  const uint64_t mantissa = ((static_cast<uint64_t>(high) << 32) | low) >> 11;
  return static_cast<double>(mantissa) * 0x1.0p-53;
}

}  // namespace

std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> x, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = kMultiplier0 * x[0];
    const uint64_t p1 = kMultiplier1 * x[2];
    x = {static_cast<uint32_t>(p1 >> 32) ^ x[1] ^ key[0], static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ x[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += kWeyl0;
    key[1] += kWeyl1;
  }
  return x;
}

std::array<uint32_t, 4> Philox::bits(uint64_t step, uint64_t index) const {
  DCHECK(step < (uint64_t{1} << 32));
  return philox4x32({static_cast<uint32_t>(index), static_cast<uint32_t>(index >> 32),
                     static_cast<uint32_t>(step), stream_},
                    {static_cast<uint32_t>(seed_), static_cast<uint32_t>(seed_ >> 32)});
}

double Philox::uniform(uint64_t step, uint64_t index) const {
  const auto b = bits(step, index);
  return to_unit(b[0], b[1]);
}

uint64_t Philox::below(uint64_t bound, uint64_t step, uint64_t index) const {
  DCHECK(bound >= 1);
  const auto b = bits(step, index);
  const uint64_t word = (static_cast<uint64_t>(b[0]) << 32) | b[1];
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(word) * bound) >> 64);
}

double Philox::normal(uint64_t step, uint64_t index) const {
  const auto b = bits(step, index);
  const double u = 1.0 - to_unit(b[0], b[1]);  // (0, 1], so that the logarithm is finite
  const double v = to_unit(b[2], b[3]);
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace cllm
