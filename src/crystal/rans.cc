#include "crystal/rans.h"

#include <algorithm>

#include "base/error.h"

namespace cllm {
namespace {

// The state lives in [kLeast, 2^63]; below, the decoder takes a word, above, the encoder gives one.
constexpr uint64_t kLeast = uint64_t{1} << 31;
constexpr uint64_t kSlotMask = RansTable::kTotal - 1;

// Words are produced from the last symbol to the first and read from the first to the last.
class Encoder {
 public:
  void put(uint32_t start, uint32_t frequency) {
    const uint64_t most = ((kLeast >> RansTable::kScaleBits) << 32) * frequency;
    if (state_ >= most) give_word();
    state_ = (state_ / frequency << RansTable::kScaleBits) + state_ % frequency + start;
  }
  std::vector<uint8_t> finish() {
    give_word();
    give_word();
    std::vector<uint8_t> bytes;
    bytes.reserve(words_.size() * 4);
    for (auto word = words_.rbegin(); word != words_.rend(); ++word)
      for (int shift = 0; shift < 32; shift += 8)
        bytes.push_back(static_cast<uint8_t>(*word >> shift));
    return bytes;
  }

 private:
  void give_word() {
    words_.push_back(static_cast<uint32_t>(state_));
    state_ >>= 32;
  }
  uint64_t state_ = kLeast;
  std::vector<uint32_t> words_;
};

Error damaged(const char* what) {
  return Error(ErrorKind::kData, "rANS data", what, "the file is damaged; make it again");
}

class Decoder {
 public:
  explicit Decoder(std::span<const uint8_t> bytes) : bytes_(bytes) {
    if (bytes.size() % 4 != 0) throw damaged("is not a whole number of words");
    take_word();
    take_word();
    if (state_ < kLeast || state_ >= kLeast << 32) throw damaged("begins with an impossible state");
  }
  uint32_t slot() const { return static_cast<uint32_t>(state_ & kSlotMask); }
  void advance(uint32_t start, uint32_t frequency) {
    state_ = frequency * (state_ >> RansTable::kScaleBits) + slot() - start;
    if (state_ < kLeast) take_word();
  }
  void require_end() const {
    if (!bytes_.empty()) throw damaged("goes on after its last symbol");
    if (state_ != kLeast) throw damaged("does not end in the state it was begun with");
  }

 private:
  void take_word() {
    if (bytes_.empty()) throw damaged("ends too early");
    uint32_t word = 0;
    for (size_t i = 0; i < 4; ++i)
      word |= uint32_t{bytes_[i]} << (8 * i);
    bytes_ = bytes_.subspan(4);
    state_ = state_ << 32 | word;
  }
  std::span<const uint8_t> bytes_;
  uint64_t state_ = 0;
};

}  // namespace

size_t RansTable::index_of(int32_t symbol) const {
  const int64_t index = int64_t{symbol} - lowest_;
  const auto size = static_cast<int64_t>(frequencies_.size());
  const bool coded = index >= 0 && index < size && frequencies_[static_cast<size_t>(index)] > 0;
  return static_cast<size_t>(coded ? index : size);
}

std::vector<uint8_t> RansTable::encode(std::span<const int32_t> symbols) const {
  Encoder encoder;
  for (size_t i = symbols.size(); i-- > 0;) {
    const size_t index = index_of(symbols[i]);
    if (index == frequencies_.size()) {
      // Two halves with the probability 2^-16 each.
      const auto value = static_cast<uint32_t>(symbols[i]);
      encoder.put(value >> 16, 1);
      encoder.put(value & kSlotMask, 1);
      encoder.put(starts_.back(), escape());
    } else {
      encoder.put(starts_[index], frequencies_[index]);
    }
  }
  return encoder.finish();
}

void RansTable::decode(std::span<const uint8_t> bytes, std::span<int32_t> symbols) const {
  Decoder decoder(bytes);
  for (int32_t& symbol : symbols) {
    const size_t index = slots_[decoder.slot()];
    if (index < frequencies_.size()) {
      symbol = static_cast<int32_t>(lowest_ + static_cast<int64_t>(index));
      decoder.advance(starts_[index], frequencies_[index]);
      continue;
    }
    decoder.advance(starts_.back(), escape());
    const uint32_t low = decoder.slot();
    decoder.advance(low, 1);
    const uint32_t high = decoder.slot();
    decoder.advance(high, 1);
    symbol = static_cast<int32_t>(high << 16 | low);
    // The encoder would have used the window: another spelling of the same symbols is damage.
    if (index_of(symbol) != frequencies_.size()) throw damaged("escapes a symbol without need");
  }
  decoder.require_end();
}

}  // namespace cllm
