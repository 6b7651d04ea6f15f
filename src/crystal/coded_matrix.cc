#include "crystal/coded_matrix.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "crystal/hadamard.h"
#include "crystal/quantise.h"
#include "crystal/rans.h"

namespace cllm {
namespace {

constexpr std::string_view kMagic = "CLX1";
constexpr size_t kHeaderBytes = 48, kHashBegin = 8, kHashEnd = 16;
constexpr uint64_t kRotated = 1, kWithoutZeros = 2;  // flags

void append(std::vector<uint8_t>& bytes, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i)
    bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

uint64_t number_at(std::span<const uint8_t> bytes, size_t offset, size_t size) {
  uint64_t value = 0;
  for (size_t i = 0; i < size; ++i)
    value |= uint64_t{bytes[offset + i]} << (8 * i);
  return value;
}

// Of everything but the hash itself.
uint64_t hash_of(std::span<const uint8_t> record) {
  std::vector<uint8_t> rest(record.begin(), record.begin() + kHashBegin);
  rest.insert(rest.end(), record.begin() + kHashEnd, record.end());
  return hash64(rest.data(), rest.size());
}

// The header's claims, against the bytes that are there and the shape that is wanted.
void check_header(std::span<const uint8_t> record, size_t rows, size_t columns,
                  const std::string& where) {
  const auto refuse = [&](const std::string& what) {
    throw Error(ErrorKind::kData, where, what, "the file is damaged; compress the model again");
  };
  if (record.size() < kHeaderBytes) refuse(fmt::format("has only {} bytes", record.size()));
  if (!std::equal(kMagic.begin(), kMagic.end(), record.begin()))
    throw Error(ErrorKind::kData, where, "is not a compressed matrix of this version",
                "use the version of cllm that wrote it");
  if (number_at(record, kHashBegin, 8) != hash_of(record)) refuse("does not match its checksum");
  const uint64_t flags = number_at(record, 4, 4), scales = number_at(record, 40, 8);
  if (flags > (kRotated | kWithoutZeros))
    throw Error(ErrorKind::kData, where, fmt::format("has unknown flags {:#x}", flags),
                "a newer version of cllm wrote it: use that one");
  if ((flags & kRotated) == 0 && number_at(record, 32, 8) != 0)
    refuse("has a seed without a rotation");
  if (number_at(record, 16, 8) != rows || number_at(record, 24, 8) != columns)
    refuse(fmt::format("is [{}, {}], expected [{}, {}]", number_at(record, 16, 8),
                       number_at(record, 24, 8), rows, columns));
  if (scales != 1 && scales != rows) refuse(fmt::format("has {} scales", scales));
  if ((record.size() - kHeaderBytes) / sizeof(float) < scales) refuse("ends within its scales");
}

// Whether each row is anything but zeros.
std::vector<bool> rows_in_use(const CodedMatrix& matrix) {
  std::vector<bool> used(matrix.rows);
  for (size_t row = 0; row < matrix.rows; ++row) {
    const auto integers = std::span(matrix.integers).subspan(row * matrix.columns, matrix.columns);
    used[row] = std::ranges::any_of(integers, [](int32_t integer) { return integer != 0; });
  }
  return used;
}

void append_bits(std::vector<uint8_t>& bytes, const std::vector<bool>& bits) {
  const size_t first = bytes.size();
  bytes.resize(first + (bits.size() + 7) / 8);
  for (size_t i = 0; i < bits.size(); ++i)
    if (bits[i]) bytes[first + i / 8] |= static_cast<uint8_t>(1U << (i % 8));
}

// Takes `count` bits from the front of `bytes`.
std::vector<bool> take_bits(std::span<const uint8_t>& bytes, size_t count) {
  const auto refuse = [](const char* what) { throw Error(ErrorKind::kData, "", what, ""); };
  const size_t size = (count + 7) / 8;
  if (bytes.size() < size) refuse("ends within its rows");
  if (count % 8 != 0 && bytes[size - 1] >> (count % 8) != 0)
    refuse("names rows that it does not have");
  std::vector<bool> bits(count);
  for (size_t i = 0; i < count; ++i)
    bits[i] = (bytes[i / 8] >> (i % 8) & 1) != 0;
  bytes = bytes.subspan(size);
  return bits;
}

void append_coded(std::vector<uint8_t>& record, std::span<const int32_t> integers) {
  const RansTable table = RansTable::fit(integers);
  table.append_to(record);
  const std::vector<uint8_t> coded = table.encode(integers);
  record.insert(record.end(), coded.begin(), coded.end());
}

void append_without_zeros(std::vector<uint8_t>& record, const CodedMatrix& matrix,
                          const std::vector<bool>& used) {
  append_bits(record, used);
  std::vector<int32_t> integers;
  for (size_t row = 0; row < matrix.rows; ++row) {
    const auto first = matrix.integers.begin() + static_cast<ptrdiff_t>(row * matrix.columns);
    if (used[row])
      integers.insert(integers.end(), first, first + static_cast<ptrdiff_t>(matrix.columns));
  }
  if (!integers.empty()) append_coded(record, integers);
}

void decode_integers(std::span<const uint8_t> bytes, std::span<int32_t> integers) {
  const RansTable table = RansTable::read(bytes);
  table.decode(bytes, integers);
}

// matrix.integers, which are zeros yet.
void decode_without_zeros(std::span<const uint8_t> bytes, CodedMatrix& matrix) {
  const std::vector<bool> used = take_bits(bytes, matrix.rows);
  const auto count = static_cast<size_t>(std::ranges::count(used, true));
  std::vector<int32_t> integers(count * matrix.columns);
  if (count > 0)
    decode_integers(bytes, integers);
  else if (!bytes.empty())
    throw Error(ErrorKind::kData, "", "goes on behind its rows", "");
  auto from = integers.begin();
  for (size_t row = 0; row < matrix.rows; ++row) {
    if (!used[row]) continue;
    const auto next = from + static_cast<ptrdiff_t>(matrix.columns);
    std::copy(from, next, matrix.integers.begin() + static_cast<ptrdiff_t>(row * matrix.columns));
    from = next;
  }
}

}  // namespace

std::vector<uint8_t> encode_matrix(const CodedMatrix& matrix) {
  CHECK(matrix.rows >= 1 && matrix.columns >= 1);
  CHECK_EQ(matrix.integers.size(), matrix.rows * matrix.columns);
  CHECK(matrix.scales.size() == 1 || matrix.scales.size() == matrix.rows);
  const std::vector<bool> used = rows_in_use(matrix);
  // As if every zero took a bit: so many rows are worth a bit each.
  const auto zeros = static_cast<size_t>(std::ranges::count(used, false)) * matrix.columns;
  const bool without_zeros = zeros >= matrix.rows;
  std::vector<uint8_t> record(kMagic.begin(), kMagic.end());
  append(record, (matrix.rotation_seed ? kRotated : 0) | (without_zeros ? kWithoutZeros : 0), 4);
  append(record, 0, 8);  // the hash, known last
  append(record, matrix.rows, 8);
  append(record, matrix.columns, 8);
  append(record, matrix.rotation_seed.value_or(0), 8);
  append(record, matrix.scales.size(), 8);
  for (const float scale : matrix.scales)
    append(record, std::bit_cast<uint32_t>(scale), 4);
  if (without_zeros)
    append_without_zeros(record, matrix, used);
  else
    append_coded(record, matrix.integers);
  const uint64_t hash = hash_of(record);
  for (size_t i = kHashBegin; i < kHashEnd; ++i)
    record[i] = static_cast<uint8_t>(hash >> (8 * (i - kHashBegin)));
  return record;
}

CodedMatrix decode_matrix(std::span<const uint8_t> record, size_t rows, size_t columns,
                          const std::string& where) {
  check_header(record, rows, columns, where);
  CodedMatrix matrix{
      .rows = rows, .columns = columns, .rotation_seed = {}, .integers = {}, .scales = {}};
  const uint64_t flags = number_at(record, 4, 4);
  if ((flags & kRotated) != 0) matrix.rotation_seed = number_at(record, 32, 8);
  const uint64_t scales = number_at(record, 40, 8);
  for (size_t i = 0; i < scales; ++i)
    matrix.scales.push_back(std::bit_cast<float>(
        static_cast<uint32_t>(number_at(record, kHeaderBytes + i * sizeof(float), 4))));
  for (const float scale : matrix.scales)
    if (!std::isfinite(scale))
      throw Error(ErrorKind::kData, where, "has a scale that is not finite",
                  "the file is damaged; compress the model again");
  const std::span rest = record.subspan(kHeaderBytes + scales * sizeof(float));
  matrix.integers.resize(rows * columns);
  try {
    if ((flags & kWithoutZeros) != 0)
      decode_without_zeros(rest, matrix);
    else
      decode_integers(rest, matrix.integers);
  } catch (const Error& error) {
    throw Error(ErrorKind::kData, where, fmt::format("cannot be decoded ({})", error.what()),
                "compress the model again");
  }
  return matrix;
}

void reconstruct(const CodedMatrix& matrix, std::span<float> weights, ThreadPool& pool) {
  CHECK_EQ(weights.size(), matrix.rows * matrix.columns);
  dequantise(matrix.integers, matrix.scales, weights);
  if (matrix.rotation_seed)
    RandomRotation(matrix.columns, *matrix.rotation_seed).apply_inverse(weights, pool);
}

MatrixDecoder coded_matrix_decoder() {
  return [](const StoredTensor& record, int64_t rows, int64_t columns, std::span<float> values) {
    const std::span bytes(reinterpret_cast<const uint8_t*>(record.data), record.bytes);
    ThreadPool pool(1);
    reconstruct(decode_matrix(bytes, static_cast<size_t>(rows), static_cast<size_t>(columns),
                              fmt::format("{}: {}", record.file, record.name)),
                values, pool);
  };
}

}  // namespace cllm
