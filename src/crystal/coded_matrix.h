// A quantised matrix as bytes: what stands for a weight matrix in a compressed checkpoint, under
// the matrix's name with kCodedSuffix, as a U8 tensor of model.safetensors. Little-endian:
//   0   "CLX1"       4  u32 flags: 1 the inputs are rotated, 2 rows of zeros are left out
//   8   u64 xxHash64 of the bytes 0 to 7 and of all from 16 on
//   16  u64 rows    24  u64 columns    32  u64 seed of the rotation, 0 without    40  u64 scales
//   48  scales, f32; with flag 2 a bit for each row, set if it is not left out, lowest bits first,
//       the rest of the last byte 0; then, unless all rows are left out, the table and the integers
//       of rans.h, row after row
// Rows of zeros are what an n-gram memory has for n-grams that no text had.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "model/model_folder.h"
#include "threads/pool.h"

namespace cllm {

struct CodedMatrix {
  size_t rows = 0, columns = 0;           // outputs, inputs; >= 1
  std::optional<uint64_t> rotation_seed;  // the integers stand for W Q^T, Q a RandomRotation
  std::vector<int32_t> integers;          // [rows, columns]
  std::vector<float> scales;              // one, or one per row
};

// The record. Rows whose integers are all zero take a bit if there are so many of them that this
// is less than what coding them could take. O(rows * columns).
std::vector<uint8_t> encode_matrix(const CodedMatrix& matrix);

// The matrix of a record that must have this shape. Error (kData, `where`) for another version,
// shape or checksum, a truncated or a longer record. Sizes and checksum are checked before anything
// is made of them.
CodedMatrix decode_matrix(std::span<const uint8_t> record, size_t rows, size_t columns,
                          const std::string& where);

// weights [rows, columns] = the matrix: scale times integer, rotated back. The same bits on any
// machine and for any number of threads.
void reconstruct(const CodedMatrix& matrix, std::span<float> weights, ThreadPool& pool);

// Reads such records for load_model and load_weights. On the calling thread.
MatrixDecoder coded_matrix_decoder();

}  // namespace cllm
