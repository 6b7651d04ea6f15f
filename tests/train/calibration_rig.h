// What turns a model into another one by what it does on a text: random tokens to read, and the
// folder that comes out.
#pragma once

#include <string>
#include <vector>

#include "data/dataset.h"
#include "testing.h"
#include "text/tokenizer.h"
#include "train/run_rig.h"

namespace cllm {

class CalibrationTest : public RunTest {
 protected:
  // Why the model in this folder is not read.
  std::string refusal(const std::string& name) {
    return error_of(ErrorKind::kData, [&] { resolve_model_folder(folder_ / name, log_); });
  }
  // A byte that is not what it was is found by its checksum, a missing manifest by itself.
  void expect_damage_is_refused(const std::string& name) {
    const fs::path file = folder_ / name / "model.safetensors";
    const std::string sound = read_file(file);
    for (const size_t place : {size_t{20}, sound.size() / 2, sound.size() - 1}) {
      std::string damaged = sound;
      damaged[place] = static_cast<char>(damaged[place] ^ 4);
      write_file(file, damaged);
      EXPECT_THAT(refusal(name), ::testing::HasSubstr("model.safetensors: its checksum differs"));
    }
    write_file(file, sound.substr(0, sound.size() - 1));
    EXPECT_THAT(refusal(name), ::testing::HasSubstr("bytes, expected"));
    write_file(file, sound + "x");
    EXPECT_THAT(refusal(name), ::testing::HasSubstr("bytes, expected"));
    write_file(file, sound);
    EXPECT_EQ(resolve_model_folder(folder_ / name, log_), folder_ / name);
    fs::remove(folder_ / name / "manifest.json");
    EXPECT_THAT(refusal(name), ::testing::HasSubstr("manifest.json"));
  }

  const Tokenizer tokenizer_ = Tokenizer::byte();
  const TokenDataset text_ = TokenDataset::from_tokens(testing::random_tokens(600, 257, 3), 257);
};

}  // namespace cllm
