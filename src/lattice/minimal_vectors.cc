// Shapes (Conway and Sloane, chapter 4), with q as in classical.h:
//   pairs   +-q +-q on two coordinates               D4 24, E8 112, BW16 480; Leech with 4: 1104
//   words   +-m on the ones of a code word, the number of minus signs even: E8 128 on all eight,
//           BW16 30 words of weight 8 times 128, Leech 759 octads times 128 with m = 2
//   odd     Leech: 1 + 2 c modulo 4 with one +-3 and 23 +-1: 24 positions times 4096 words
#include "lattice/minimal_vectors.h"

#include <algorithm>
#include <bit>

#include "lattice/golay.h"

namespace cllm::lattice {
namespace {

constexpr uint32_t kSignPatterns = 128;  // of eight signs with even parity
constexpr int32_t kA2[6][2] = {{2, 0}, {1, 1}, {-1, 1}, {-2, 0}, {-1, -1}, {1, -1}};

// Pairs i < j in the order (0,1), (0,2), (1,2), (0,3), ...
uint32_t pair_rank(uint32_t i, uint32_t j) {
  return j * (j - 1) / 2 + i;
}

uint32_t pair_count(size_t dimension) {
  return pair_rank(0, static_cast<uint32_t>(dimension)) * 4;
}

void pair_vector(uint32_t index, int32_t magnitude, std::span<int32_t> out) {
  const uint32_t pair = index / 4;
  uint32_t j = 1;
  while (pair_rank(0, j + 1) <= pair)
    ++j;
  const uint32_t i = pair - pair_rank(0, j);
  out[i] = (index & 1) != 0 ? -magnitude : magnitude;
  out[j] = (index & 2) != 0 ? -magnitude : magnitude;
}

// The word as the set of coordinates where x is not zero, nothing unless all of those are
// +-magnitude.
std::optional<uint32_t> support(std::span<const int32_t> x, int32_t magnitude) {
  uint32_t word = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    if (x[i] != 0 && x[i] != magnitude && x[i] != -magnitude) return std::nullopt;
    if (x[i] != 0) word |= uint32_t{1} << i;
  }
  return word;
}

std::optional<uint32_t> pair_index(std::span<const int32_t> x, int32_t magnitude) {
  const auto word = support(x, magnitude);
  if (!word || std::popcount(*word) != 2) return std::nullopt;
  const auto i = static_cast<uint32_t>(std::countr_zero(*word));
  const auto j = static_cast<uint32_t>(31 - std::countl_zero(*word));
  return 4 * pair_rank(i, j) + (x[i] < 0 ? 1u : 0u) + (x[j] < 0 ? 2u : 0u);
}

// Signs of the ones of a word of weight eight: seven are free, the last makes their number even.
void sign_vector(uint32_t word, uint32_t pattern, int32_t magnitude, std::span<int32_t> out) {
  const uint32_t signs = pattern | static_cast<uint32_t>(std::popcount(pattern) & 1) << 7;
  for (uint32_t k = 0; word != 0; word &= word - 1, ++k)
    out[static_cast<size_t>(std::countr_zero(word))] =
        (signs >> k & 1) != 0 ? -magnitude : magnitude;
}

std::optional<uint32_t> sign_pattern(uint32_t word, std::span<const int32_t> x) {
  uint32_t signs = 0;
  for (uint32_t k = 0; word != 0; word &= word - 1, ++k)
    if (x[static_cast<size_t>(std::countr_zero(word))] < 0) signs |= uint32_t{1} << k;
  if (std::popcount(signs) % 2 != 0) return std::nullopt;
  return signs % kSignPatterns;
}

// BW16: words 2..31 of the Reed-Muller code are those of weight eight.
uint32_t reed_muller_word(uint32_t rank) {
  const LatticeClass found = lattice_class(Classical::kBw16, rank + 2);
  uint32_t word = 0;
  for (size_t i = 0; i < 16; ++i)
    word |= static_cast<uint32_t>(found.residue[i]) << i;
  return word;
}

std::optional<uint32_t> reed_muller_rank(uint32_t word) {
  for (uint32_t rank = 0; rank < 30; ++rank)
    if (reed_muller_word(rank) == word) return rank;
  return std::nullopt;
}

// The word of weight eight of this rank, and back, per lattice.
uint32_t word_of(Classical lattice, uint32_t rank) {
  if (lattice == Classical::kE8) return 0xff;
  return lattice == Classical::kBw16 ? reed_muller_word(rank) : GolayCode::instance().octad(rank);
}

std::optional<uint32_t> rank_of(Classical lattice, uint32_t word) {
  if (lattice == Classical::kE8) return word == 0xff ? std::optional(0u) : std::nullopt;
  return lattice == Classical::kBw16 ? reed_muller_rank(word)
                                     : GolayCode::instance().octad_rank(word);
}

// How many vectors precede the odd ones, and the sizes of the entries.
struct Shapes {
  uint32_t pairs = 0, words = 0;
  int32_t pair_magnitude = 0, word_magnitude = 0;
};

Shapes shapes(Classical lattice) {
  const uint32_t pairs = pair_count(facts(lattice).dimension);
  if (lattice == Classical::kD4) return {pairs, 0, 1, 0};
  if (lattice == Classical::kE8) return {pairs, kSignPatterns, 2, 1};
  if (lattice == Classical::kBw16) return {pairs, 30 * kSignPatterns, 2, 1};
  return {pairs, GolayCode::kOctads * kSignPatterns, 4, 2};
}

void odd_vector(uint32_t index, std::span<int32_t> out) {
  const uint32_t word = GolayCode::instance().word(index % GolayCode::kWords);
  for (size_t i = 0; i < 24; ++i)
    out[i] = (word >> i & 1) != 0 ? -1 : 1;
  out[index / GolayCode::kWords] *= -3;
}

std::optional<uint32_t> odd_index(std::span<const int32_t> x) {
  uint32_t word = 0, position = 0, large = 0;
  for (uint32_t i = 0; i < 24; ++i) {
    const bool is_large = x[i] == 3 || x[i] == -3;
    if (!is_large && x[i] != 1 && x[i] != -1) return std::nullopt;
    if (is_large) {
      position = i;
      ++large;
    }
    if (x[i] == -1 || x[i] == 3) word |= uint32_t{1} << i;
  }
  if (large != 1 || !GolayCode::instance().contains(word)) return std::nullopt;
  return position * GolayCode::kWords + (word & (GolayCode::kWords - 1));
}

}  // namespace

void minimal_vector(Classical lattice, uint32_t index, std::span<int32_t> out) {
  CHECK(index < facts(lattice).kissing_number && out.size() == facts(lattice).dimension);
  std::ranges::fill(out, 0);
  if (lattice == Classical::kA2) {
    std::ranges::copy(kA2[index], out.begin());
    return;
  }
  const Shapes shape = shapes(lattice);
  if (index < shape.pairs) {
    pair_vector(index, shape.pair_magnitude, out);
  } else if (index - shape.pairs < shape.words) {
    const uint32_t rank = index - shape.pairs;
    sign_vector(word_of(lattice, rank / kSignPatterns), rank % kSignPatterns, shape.word_magnitude,
                out);
  } else {
    odd_vector(index - shape.pairs - shape.words, out);
  }
}

std::optional<uint32_t> minimal_vector_index(Classical lattice, std::span<const int32_t> x) {
  CHECK_EQ(x.size(), facts(lattice).dimension);
  if (lattice == Classical::kA2) {
    for (uint32_t index = 0; index < 6; ++index)
      if (x[0] == kA2[index][0] && x[1] == kA2[index][1]) return index;
    return std::nullopt;
  }
  const Shapes shape = shapes(lattice);
  if (const auto pair = pair_index(x, shape.pair_magnitude)) return pair;
  if (const auto word = support(x, shape.word_magnitude); word && std::popcount(*word) == 8) {
    const auto rank = rank_of(lattice, *word);
    const auto signs = sign_pattern(*word, x);
    if (!rank || !signs) return std::nullopt;
    return shape.pairs + *rank * kSignPatterns + *signs;
  }
  if (lattice != Classical::kLeech) return std::nullopt;
  const auto odd = odd_index(x);
  if (!odd) return std::nullopt;
  return shape.pairs + shape.words + *odd;
}

}  // namespace cllm::lattice
