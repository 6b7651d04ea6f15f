#include "crystal/coded_matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/error.h"
#include "base/file.h"
#include "crystal/gap_rig.h"
#include "crystal/hadamard.h"
#include "crystal/rans.h"
#include "testing.h"

namespace cllm {
namespace {

using testing::normal_weights;

CodedMatrix example(size_t rows, size_t columns, std::optional<uint64_t> seed, bool per_row) {
  CodedMatrix matrix{rows, columns, seed, {}, {}};
  for (const float w : normal_weights(rows * columns, 1))
    matrix.integers.push_back(static_cast<int32_t>(std::lrint(3 * w)));
  for (const float w : normal_weights(per_row ? rows : 1, 2))
    matrix.scales.push_back(w);
  return matrix;
}

bool same(const CodedMatrix& a, const CodedMatrix& b) {
  return a.rows == b.rows && a.columns == b.columns && a.rotation_seed == b.rotation_seed &&
         a.integers == b.integers && a.scales == b.scales;
}

// With a checksum that is right, so that the checks behind it are reached.
void sign(std::vector<uint8_t>& record) {
  std::vector<uint8_t> rest = record;
  rest.erase(rest.begin() + 8, rest.begin() + 16);
  const uint64_t hash = hash64(rest.data(), rest.size());
  for (size_t i = 0; i < 8; ++i)
    record[8 + i] = static_cast<uint8_t>(hash >> (8 * i));
}

TEST(CodedMatrix, GivesBackWhatWasEncoded) {
  for (const auto& [rows, columns] : {std::pair<size_t, size_t>{1, 1}, {3, 5}, {40, 64}, {1, 9}})
    for (const auto& seed : {std::optional<uint64_t>(), std::optional<uint64_t>(~0ULL)})
      for (const bool per_row : {false, true}) {
        const CodedMatrix matrix = example(rows, columns, seed, per_row);
        EXPECT_TRUE(same(decode_matrix(encode_matrix(matrix), rows, columns, "test"), matrix));
      }
}

TEST(CodedMatrix, AddsLittleToTheIntegers) {
  const CodedMatrix matrix = example(256, 128, 7, false);
  const double ideal = empirical_entropy(matrix.integers) / 8 * 256 * 128;
  EXPECT_LE(static_cast<double>(encode_matrix(matrix).size()), ideal * 1.002 + 48 + 4 + 60);
}

TEST(CodedMatrix, RefusesEveryChangedBitAndEveryTruncation) {
  const std::vector<uint8_t> record = encode_matrix(example(6, 8, 5, true));
  for (size_t bit = 0; bit < 8 * record.size(); ++bit) {
    std::vector<uint8_t> changed = record;
    changed[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    EXPECT_THROW(decode_matrix(changed, 6, 8, "test"), Error) << bit;
  }
  for (size_t size = 0; size < record.size(); ++size)
    EXPECT_THROW(decode_matrix(std::span(record).first(size), 6, 8, "test"), Error) << size;
  std::vector<uint8_t> longer = record;
  longer.push_back(0);
  EXPECT_THROW(decode_matrix(longer, 6, 8, "test"), Error);
}

// Integers of which some rows are zeros.
CodedMatrix sparse(size_t rows, size_t columns, size_t one_in, bool per_row = false) {
  CodedMatrix matrix = example(rows, columns, 5, per_row);
  for (size_t row = 0; row < rows; ++row) {
    const auto first = matrix.integers.begin() + static_cast<ptrdiff_t>(row * columns);
    if (row % one_in == 0)
      *first = 1;
    else
      std::fill_n(first, columns, 0);
  }
  return matrix;
}

// Row 8 is the only one of the last byte, and its integers are no zeros.
TEST(CodedMatrix, RowsOfZerosTakeABit) {
  for (const size_t rows : {size_t{9}, size_t{16}, size_t{200}})
    for (const bool per_row : {false, true}) {
      const CodedMatrix matrix = sparse(rows, 24, 4, per_row);
      const std::vector<uint8_t> record = encode_matrix(matrix);
      EXPECT_EQ(record[4], 3);
      EXPECT_TRUE(same(decode_matrix(record, rows, 24, "test"), matrix));
    }
  const CodedMatrix matrix = sparse(4000, 24, 10);
  CodedMatrix dense = matrix;
  dense.rows = 400;
  dense.integers.clear();
  for (size_t row = 0; row < matrix.rows; row += 10) {
    const auto first = matrix.integers.begin() + static_cast<ptrdiff_t>(row * 24);
    dense.integers.insert(dense.integers.end(), first, first + 24);
  }
  EXPECT_EQ(encode_matrix(matrix).size(), encode_matrix(dense).size() + 4000 / 8);
  CodedMatrix nothing{7, 5, {}, std::vector<int32_t>(35), {1}};
  EXPECT_TRUE(same(decode_matrix(encode_matrix(nothing), 7, 5, "test"), nothing));
  EXPECT_EQ(encode_matrix(nothing).size(), 48u + 4 + 1);
  // One of three numbers that are zero is not worth three bits.
  const CodedMatrix narrow{3, 1, {}, {1, 0, 2}, {1}};
  EXPECT_EQ(encode_matrix(narrow)[4], 0);
  EXPECT_TRUE(same(decode_matrix(encode_matrix(narrow), 3, 1, "test"), narrow));
}

TEST(CodedMatrix, RefusesDamagedRowsOfZeros) {
  const CodedMatrix matrix = sparse(9, 8, 3);
  const std::vector<uint8_t> record = encode_matrix(matrix);
  for (size_t bit = 0; bit < 8 * record.size(); ++bit) {
    std::vector<uint8_t> changed = record;
    changed[bit / 8] ^= static_cast<uint8_t>(1U << (bit % 8));
    EXPECT_THROW(decode_matrix(changed, 9, 8, "test"), Error) << bit;
  }
  const auto refuses = [&](size_t size, size_t offset, uint8_t value) {
    std::vector<uint8_t> wrong(record.begin(), record.begin() + static_cast<ptrdiff_t>(size));
    if (offset < size) wrong[offset] = value;
    sign(wrong);
    EXPECT_THROW(decode_matrix(wrong, 9, 8, "test"), Error) << size << " " << offset;
  };
  ASSERT_EQ(record[52], 0b01001001);
  ASSERT_EQ(record[53], 0);
  for (const int rows : {0b00001001, 0b11001001, 0})
    refuses(record.size(), 52,
            static_cast<uint8_t>(rows));  // fewer rows or more than were coded, or none
  refuses(record.size(), 53, 2);          // a tenth row
  refuses(53, 60, 0);                     // the end within the rows
  refuses(54, 60, 0);                     // the end behind them
}

// Before rows of zeros were left out, they were coded like others.
TEST(CodedMatrix, ReadsRecordsWithRowsOfZeros) {
  const CodedMatrix matrix = sparse(40, 24, 4);
  std::vector<uint8_t> record = encode_matrix(matrix);
  record.resize(48 + 4);
  record[4] = 1;
  const RansTable table = RansTable::fit(matrix.integers);
  table.append_to(record);
  const std::vector<uint8_t> integers = table.encode(matrix.integers);
  record.insert(record.end(), integers.begin(), integers.end());
  sign(record);
  EXPECT_TRUE(same(decode_matrix(record, 40, 24, "test"), matrix));
}

TEST(CodedMatrix, RefusesAnotherShape) {
  const std::vector<uint8_t> record = encode_matrix(example(6, 8, 5, true));
  EXPECT_THROW(decode_matrix(record, 8, 6, "test"), Error);
  EXPECT_THROW(decode_matrix(record, 6, 4, "test"), Error);
  try {
    decode_matrix(record, 12, 8, "layer.weight");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("layer.weight"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("[6, 8]"), std::string::npos);
  }
}

// What a checksum does not catch: a record that was written wrongly, or with intent.
TEST(CodedMatrix, RefusesImpossibleRecordsWithARightChecksum) {
  const auto refuses = [](size_t offset, uint8_t value, std::optional<uint64_t> seed = {}) {
    std::vector<uint8_t> record = encode_matrix(example(6, 8, seed, false));
    record[offset] = value;
    sign(record);
    EXPECT_THROW(decode_matrix(record, 6, 8, "test"), Error) << offset;
  };
  refuses(4, 4);      // an unknown flag
  refuses(4, 2);      // rows that are left out, without saying which
  refuses(32, 1);     // a seed without a rotation
  refuses(40, 2);     // two scales for six rows
  refuses(40, 0);     // none
  refuses(47, 0x80);  // more than memory
  refuses(16, 7);     // another shape
  refuses(53, 0xFF);  // a table that is none
  std::vector<uint8_t> infinite = encode_matrix(example(6, 8, {}, false));
  infinite[50] = 0x80, infinite[51] = 0x7F;
  infinite[48] = infinite[49] = 0;
  sign(infinite);
  EXPECT_THROW(decode_matrix(infinite, 6, 8, "test"), Error);
  // Six scales are promised, the record ends before.
  std::vector<uint8_t> short_record(60);
  const std::vector<uint8_t> full = encode_matrix(example(6, 8, {}, true));
  std::copy_n(full.begin(), 60, short_record.begin());
  sign(short_record);
  EXPECT_THROW(decode_matrix(short_record, 6, 8, "test"), Error);
  // The signing itself is right.
  std::vector<uint8_t> untouched = full;
  sign(untouched);
  EXPECT_EQ(untouched, full);
}

// Rotated weights, quantised finely, come back where they were: each of the 96 coordinates of a row
// is off by at most half a step before the rotation, which keeps the norm.
TEST(CodedMatrix, ReconstructsTheWeightsBehindTheRotation) {
  constexpr size_t kRows = 5, kColumns = 96;
  constexpr float kStep = 0x1p-10F;
  const std::vector<float> weights = normal_weights(kRows * kColumns, 3);
  ThreadPool one(1);
  std::vector<float> rotated = weights;
  RandomRotation(kColumns, 9).apply(rotated, one);
  CodedMatrix matrix{kRows, kColumns, 9, {}, {kStep}};
  for (const float w : rotated)
    matrix.integers.push_back(static_cast<int32_t>(std::lrint(w / kStep)));
  std::vector<float> first(weights.size());
  reconstruct(matrix, first, one);
  for (size_t r = 0; r < kRows; ++r) {
    double square = 0;
    for (size_t i = r * kColumns; i < (r + 1) * kColumns; ++i)
      square += std::pow(static_cast<double>(first[i]) - weights[i], 2);
    EXPECT_LE(std::sqrt(square), std::sqrt(kColumns) * kStep / 2 * 1.001);
  }
  for (const int threads : {2, 4}) {
    ThreadPool pool(threads);
    std::vector<float> other(weights.size());
    reconstruct(matrix, other, pool);
    EXPECT_EQ(other, first);
  }
}

// The format: bytes and bits written down once.
TEST(CodedMatrix, HasTheBytesAndTheBitsOfTheFormat) {
  const CodedMatrix matrix{2, 3, 2026, {1, -1, 0, 2, 0, 0}, {0.5F}};
  const std::vector<uint8_t> record = encode_matrix(matrix);
  EXPECT_EQ(hash64_hex(hash64(record.data(), record.size())), "7a1cba478d9fdbac");
  ThreadPool pool(1);
  std::vector<float> weights(6);
  reconstruct(matrix, weights, pool);
  EXPECT_EQ(hash64_hex(hash64(weights.data(), 24)), "62eaa205b0d5bc86");
}

}  // namespace
}  // namespace cllm
