// The golden numbers: models, batches, expected logits, gradients and eight optimizer steps,
// computed in 64-bit arithmetic by other people's software (tests/golden/README.md).
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "formats/safetensors.h"
#include "model/model_folder.h"
#include "model/session.h"
#include "model/stored_names.h"

namespace cllm {

inline const std::vector<std::string> kGoldenModels = {"gpt2-tiny", "llama-tiny",
                                                       "llama-tiny-tied"};

inline fs::path golden_folder(const std::string& name) {
  return fs::path(CLLM_GOLDEN_FOLDER) / name;
}

inline std::vector<int32_t> golden_integers(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor* tensor = file.find(name);
  if (tensor == nullptr || tensor->dtype != DType::kI32) return {};
  std::vector<int32_t> values(tensor->elements);
  std::memcpy(values.data(), tensor->data, tensor->bytes);
  return values;
}

inline std::vector<double> golden_doubles(const SafetensorsFile& file, const std::string& name) {
  const StoredTensor* tensor = file.find(name);
  if (tensor == nullptr) return {};
  std::vector<double> values(tensor->elements);
  copy_as_double(*tensor, values);
  return values;
}

// The error of a tensor: max |actual - expected| / max |expected|. Infinite for other sizes, NaN
// where either holds one; a NaN is below no bound.
template <class A>
double tensor_error(const std::vector<A>& actual, const std::vector<double>& expected) {
  if (actual.size() != expected.size() || expected.empty()) return INFINITY;
  double error = 0, size = 0;
  for (size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(static_cast<double>(actual[i]) - expected[i]);
    if (!(difference <= error)) error = difference;
    if (std::isnan(difference)) return NAN;
    size = std::max(size, std::abs(expected[i]));
  }
  return error / size;
}

// A stored tensor of an arena, in file layout.
inline std::vector<float> stored_values(const Transformer& model, const StoredPiece& piece,
                                        const float* arena) {
  std::vector<float> values(static_cast<size_t>(piece.rows * piece.columns));
  copy_to_stored(model, piece, arena, 0, values);
  return values;
}

inline int64_t counted(const std::vector<int32_t>& targets) {
  int64_t count = 0;
  for (const int32_t target : targets)
    count += target >= 0;
  return count;
}

}  // namespace cllm
