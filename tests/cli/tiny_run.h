// A tiny model, trained once per test program in a fraction of a second, and a folder for what a
// test makes.
#pragma once

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/file.h"
#include "cli/program.h"
#include "temporary_folder.h"

namespace cllm::cli {

// A shape that trains in milliseconds; --out and what a test is about are added.
inline std::vector<std::string> tiny_training(const std::string& out) {
  return {"train",
          "--data",
          "stories",
          "--preset",
          "demo",
          "--steps",
          "12",
          "--batch-size",
          "4",
          "--context-length",
          "32",
          "--threads",
          "2",
          "--set",
          "data.stories=30000",
          "--set",
          "tokenizer.kind=byte",
          "--set",
          "model.layers=1",
          "--set",
          "model.width=32",
          "--set",
          "evaluation.windows=20",
          "--set",
          "sample.every=0",
          "--out",
          out};
}

class CommandTest : public TemporaryFolder {
 protected:
  // The path of something in the test's own folder.
  std::string in_folder(const std::string& name) const { return (folder_ / name).string(); }

  std::string make_run() {
    const std::string run = in_folder("run");
    const ProgramResult result = run_program(tiny_training(run));
    EXPECT_EQ(result.code, 0) << result.err;
    return run;
  }
};

// Fails the test unless the program ended well and wrote exactly one JSON document.
inline nlohmann::json parse_json(const ProgramResult& result) {
  EXPECT_EQ(result.code, 0) << result.err;
  nlohmann::json json = nlohmann::json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << result.out;
  return json;
}

// An error is one line that begins with the program's name.
inline void expect_error(const ProgramResult& result, int code, const std::string& part) {
  EXPECT_EQ(result.code, code) << result.out << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_TRUE(result.err.starts_with("cllm: ")) << result.err;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  EXPECT_EQ(result.out, "");
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace cllm::cli
