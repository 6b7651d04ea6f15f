// A model folder whose matrices are coded, through the model layer's reader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "crystal/coded_matrix.h"
#include "crystal/gap_rig.h"
#include "crystal/hadamard.h"
#include "model/model_test_files.h"
#include "model/stored_names.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class CompressedFolder : public TemporaryFolder {
 protected:
  // Every matrix of the model rotated and rounded; `weights` becomes what the records stand for.
  MatrixRecords compress(const Transformer& model, Arena& weights) {
    ThreadPool pool(2);
    MatrixRecords records;
    for (const StoredPiece& piece : stored_pieces(model)) {
      if (piece.columns == 1) continue;
      const auto rows = static_cast<size_t>(piece.rows),
                 columns = static_cast<size_t>(piece.columns);
      const std::span values(weights.data() + model.parameters().at(piece.parameter).offset +
                                 piece.first_row * piece.columns,
                             rows * columns);
      CodedMatrix matrix{rows, columns, records.size(), {}, {0.05F}};
      RandomRotation(columns, records.size()).apply(values, pool);
      for (const float w : values)
        matrix.integers.push_back(static_cast<int32_t>(std::lrint(w / 0.05F)));
      records[piece.name] = encode_matrix(matrix);
      reconstruct(matrix, values, pool);
    }
    return records;
  }
  const Tokenizer tokenizer_ = Tokenizer::byte();
};

TEST_F(CompressedFolder, EveryFamilyLoadsToTheSameBits) {
  for (const ModelConfig& config : small_models()) {
    const Transformer model(config, testing::test_codes(config));
    Arena weights = random_weights(model);
    save_model(folder_, model, weights.data(), tokenizer_);
    const auto plain_bytes = fs::file_size(folder_ / "model.safetensors");
    const MatrixRecords records = compress(model, weights);
    save_model(folder_, model, weights.data(), tokenizer_, records);
    EXPECT_LT(fs::file_size(folder_ / "model.safetensors"), plain_bytes / 2);
    const LoadedModel loaded = load_model(folder_, coded_matrix_decoder());
    EXPECT_TRUE(testing::same_bits(values_of(loaded.weights), values_of(weights)));
  }
}

TEST_F(CompressedFolder, ADamagedOneIsRefusedWithItsName) {
  const Transformer model(small_llama());
  Arena weights = random_weights(model);
  MatrixRecords records = compress(model, weights);
  const std::string name = "model.layers.1.self_attn.k_proj.weight";
  ASSERT_TRUE(records.contains(name));
  records[name].back() ^= 1;
  save_model(folder_, model, weights.data(), tokenizer_, records);
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { load_model(folder_, coded_matrix_decoder()); }),
              ::testing::AllOf(HasSubstr(name), HasSubstr("checksum")));
}

}  // namespace
}  // namespace cllm
