#include "formats/model_weights.h"

#include "base/error.h"
#include "formats/safetensors_writer.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

class Weights : public TemporaryFolder {
 protected:
  void write_tensor(const std::string& file, const std::string& name, float value) {
    SafetensorsWriter writer;
    writer.add(name, DType::kF32, {1}, &value);
    writer.write(folder_ / file);
  }
  void write_index(const std::string& weight_map) {
    write_file(folder_ / "model.safetensors.index.json",
               R"({"metadata":{"total_size":8},"weight_map":)" + weight_map + "}");
  }
  float read_value(const ModelWeights& weights, const std::string& name) {
    float value = 0;
    copy_as_float(weights.at(name), {&value, 1});
    return value;
  }
  std::string open_error() {
    try {
      open_model_weights(folder_);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData);
      return error.what();
    }
  }
};

TEST_F(Weights, SingleFile) {
  write_tensor("model.safetensors", "a", 3);
  const ModelWeights weights = open_model_weights(folder_);
  EXPECT_EQ(weights.tensors().size(), 1u);
  EXPECT_EQ(read_value(weights, "a"), 3);
  EXPECT_EQ(weights.find("b"), nullptr);
  EXPECT_THROW(weights.at("b"), Error);
}

TEST_F(Weights, ShardsLookLikeOneFile) {
  write_tensor("model-00001-of-00002.safetensors", "a", 1);
  write_tensor("model-00002-of-00002.safetensors", "b", 2);
  write_index(R"({"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"})");
  ModelWeights opened = open_model_weights(folder_);
  const ModelWeights weights = std::move(opened);
  EXPECT_EQ(weights.tensors().size(), 2u);
  EXPECT_EQ(read_value(weights, "a"), 1);
  EXPECT_EQ(read_value(weights, "b"), 2);
}

TEST_F(Weights, DamagedFoldersAreRefused) {
  EXPECT_NE(open_error().find("neither"), std::string::npos);
  write_tensor("s", "a", 1);
  write_index(R"({"a":"s","b":"s"})");
  EXPECT_NE(open_error().find("is not in"), std::string::npos);
  write_index(R"({"a":"missing"})");
  EXPECT_NE(open_error().find("missing"), std::string::npos);
  for (const char* escape : {"../s", "/etc/passwd", "..", ".", "", "x/s"}) {
    write_index(R"({"a":")" + std::string(escape) + "\"}");
    EXPECT_NE(open_error(), "") << escape;
  }
  write_index(R"({"a":"s","a":"s"})");
  EXPECT_NE(open_error().find("twice"), std::string::npos);
  write_index("7");
  EXPECT_NE(open_error().find("weight_map"), std::string::npos);
}

}  // namespace
}  // namespace cllm
