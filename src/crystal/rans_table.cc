// The table of rans.h: fitted to symbols, written and read.
#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "crystal/rans.h"

namespace cllm {
namespace {

struct Count {
  int32_t symbol;
  uint64_t count;
};

// Ascending.
std::vector<Count> count_symbols(std::span<const int32_t> symbols) {
  std::vector<int32_t> sorted(symbols.begin(), symbols.end());
  std::ranges::sort(sorted);
  std::vector<Count> counts;
  for (const int32_t symbol : sorted) {
    if (counts.empty() || counts.back().symbol != symbol) counts.push_back({symbol, 0});
    ++counts.back().count;
  }
  return counts;
}

// The window of kMostSymbols integers that holds most of the symbols, without empty ends.
std::span<const Count> best_window(std::span<const Count> counts) {
  std::span<const Count> best;
  uint64_t held = 0, most = 0;
  size_t first = 0;
  for (size_t last = 0; last < counts.size(); ++last) {
    held += counts[last].count;
    while (int64_t{counts[last].symbol} - counts[first].symbol >= RansTable::kMostSymbols)
      held -= counts[first++].count;
    if (held > most) {
      most = held;
      best = counts.subspan(first, last - first + 1);
    }
  }
  return best;
}

// Frequencies >= 1 that sum to RansTable::kTotal, nearest to the counts: rounded down, then given
// or taken one at a time where the ratio is farthest off (Webster's method of apportionment).
std::vector<uint32_t> apportion(std::span<const uint64_t> counts) {
  uint64_t total = 0;
  for (const uint64_t count : counts)
    total += count;
  std::vector<uint32_t> shares(counts.size());
  int64_t left = RansTable::kTotal;
  for (size_t i = 0; i < counts.size(); ++i) {
    const auto exact = static_cast<double>(counts[i]) / static_cast<double>(total);
    shares[i] = std::max(1U, static_cast<uint32_t>(exact * RansTable::kTotal));
    left -= shares[i];
  }
  const auto priority = [&](size_t i, double offset) {
    return static_cast<double>(counts[i]) / (static_cast<double>(shares[i]) + offset);
  };
  for (; left > 0; --left) {
    size_t best = 0;
    for (size_t i = 1; i < counts.size(); ++i)
      if (priority(i, 0.5) > priority(best, 0.5)) best = i;
    ++shares[best];
  }
  for (; left < 0; ++left) {
    size_t best = counts.size();
    for (size_t i = 0; i < counts.size(); ++i)
      if (shares[i] > 1 && (best == counts.size() || priority(i, -0.5) < priority(best, -0.5)))
        best = i;
    --shares[best];
  }
  return shares;
}

void append_number(std::vector<uint8_t>& bytes, uint32_t value) {
  for (; value >= 128; value >>= 7)
    bytes.push_back(static_cast<uint8_t>(value | 128));
  bytes.push_back(static_cast<uint8_t>(value));
}

Error damaged(const std::string& what) {
  return Error(ErrorKind::kData, "rANS table", what, "the file is damaged; make it again");
}

// Little-endian groups of seven bits; only the shortest form is taken, so a table has one spelling.
uint32_t read_number(std::span<const uint8_t>& bytes) {
  uint64_t value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (bytes.empty()) throw damaged("ends too early");
    const uint8_t byte = bytes.front();
    bytes = bytes.subspan(1);
    value |= uint64_t{byte & 127U} << shift;
    if (byte >= 128) continue;
    if (value > UINT32_MAX || (byte == 0 && shift > 0)) break;
    return static_cast<uint32_t>(value);
  }
  throw damaged("has a malformed number");
}

// Signed numbers of small size as small unsigned ones.
uint32_t fold_sign(int32_t value) {
  return (static_cast<uint32_t>(value) << 1) ^ (value < 0 ? UINT32_MAX : 0);
}
int32_t unfold_sign(uint32_t value) {
  return static_cast<int32_t>((value >> 1) ^ ((value & 1) != 0 ? UINT32_MAX : 0));
}

}  // namespace

RansTable::RansTable(int32_t lowest, std::vector<uint32_t> frequencies)
    : lowest_(lowest), frequencies_(std::move(frequencies)), starts_(1), slots_(kTotal) {
  for (size_t i = 0; i < frequencies_.size(); ++i) {
    std::fill_n(slots_.begin() + starts_.back(), frequencies_[i], static_cast<uint16_t>(i));
    starts_.push_back(starts_.back() + frequencies_[i]);
  }
  CHECK(starts_.back() < kTotal && frequencies_.size() <= kMostSymbols);
  std::fill(slots_.begin() + starts_.back(), slots_.end(),
            static_cast<uint16_t>(frequencies_.size()));
}

RansTable RansTable::fit(std::span<const int32_t> symbols) {
  const std::vector<Count> counts = count_symbols(symbols);
  const std::span<const Count> window = best_window(counts);
  if (window.empty()) return {0, {}};
  std::vector<uint64_t> weights;
  uint64_t escaped = symbols.size();
  for (const Count& count : window) {
    weights.push_back(count.count);
    escaped -= count.count;
  }
  weights.push_back(escaped);
  const std::vector<uint32_t> shares = apportion(weights);
  const int32_t lowest = window.front().symbol;
  std::vector<uint32_t> frequencies(static_cast<size_t>(window.back().symbol - lowest) + 1);
  for (size_t i = 0; i < window.size(); ++i)
    frequencies[static_cast<size_t>(window[i].symbol - lowest)] = shares[i];
  return {lowest, std::move(frequencies)};
}

void RansTable::append_to(std::vector<uint8_t>& bytes) const {
  append_number(bytes, fold_sign(lowest_));
  append_number(bytes, static_cast<uint32_t>(frequencies_.size()));
  for (size_t i = 0; i < frequencies_.size();) {
    append_number(bytes, frequencies_[i]);
    if (frequencies_[i++] != 0) continue;
    // The rest of a run of zeros is counted: an outlier may stand far off.
    uint32_t run = 0;
    for (; frequencies_[i] == 0; ++i)
      ++run;
    append_number(bytes, run);
  }
}

RansTable RansTable::read(std::span<const uint8_t>& bytes) {
  const int32_t lowest = unfold_sign(read_number(bytes));
  const uint32_t size = read_number(bytes);
  if (size > kMostSymbols || int64_t{lowest} + size > int64_t{INT32_MAX} + 1)
    throw damaged(fmt::format("has {} symbols from {}", size, lowest));
  std::vector<uint32_t> frequencies;
  uint64_t total = 0;
  while (frequencies.size() < size) {
    frequencies.push_back(read_number(bytes));
    total += frequencies.back();
    if (frequencies.back() != 0) continue;
    const uint32_t run = read_number(bytes);
    if (run >= size - frequencies.size()) throw damaged("has a run of zeros that is too long");
    frequencies.resize(frequencies.size() + run);
    if (const uint32_t next = read_number(bytes); next != 0)
      frequencies.push_back(next), total += next;
    else
      throw damaged("has a run of zeros in two parts");
  }
  if (total >= kTotal) throw damaged(fmt::format("has frequencies that sum to {}", total));
  if (size > 0 && frequencies.front() == 0) throw damaged("begins with a zero");
  return {lowest, std::move(frequencies)};
}

double empirical_entropy(std::span<const int32_t> symbols) {
  const auto total = static_cast<double>(symbols.size());
  double bits = 0;
  for (const Count& count : count_symbols(symbols)) {
    const auto n = static_cast<double>(count.count);
    bits -= n / total * std::log2(n / total);
  }
  return bits;
}

}  // namespace cllm
