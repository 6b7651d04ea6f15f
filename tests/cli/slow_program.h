// A tiny run that starts in milliseconds, for tests that start the program many times, and what
// they look at afterwards.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "base/file.h"
#include "cli/program.h"
#include "runlog/metrics.h"
#include "runlog/run_folder.h"
#include "temporary_folder.h"

namespace cllm::cli {

using Words = std::vector<std::string>;

inline Words operator+(Words left, const Words& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// About 45 bytes per line, 22 distinct characters.
inline std::string small_text(int lines = 120) {
  constexpr const char* kWords[] = {"the", "cat",  "sat", "on",   "a",     "mat",   "and",  "saw",
                                    "two", "dogs", "run", "over", "hills", "while", "rain", "fell"};
  std::string text;
  for (int line = 0; line < lines; ++line) {
    for (int word = 0; word < 11; ++word)
      text +=
          std::string(kWords[(line * line + word * (line + 3)) % 16]) + (word < 10 ? " " : ".\n");
  }
  return text;
}

// 600 words of three syllables out of 100: enough for a vocabulary of some 800 tokens.
inline std::string many_words() {
  constexpr std::string_view kFirst = "bcdfghjklmnpqrstvwxz", kSecond = "aeiou";
  std::string text;
  for (size_t word = 0; word < 600; ++word) {
    for (const size_t syllable : {word * 7, word * word + 3, word * 31 + word / 9}) {
      text += kFirst[syllable % 100 / 5];
      text += kSecond[syllable % 5];
    }
    text += word % 9 < 8 ? " " : ".\n";
  }
  return text;
}

// Waits until `done`; false after 30 s.
inline bool wait_until(const std::function<bool()>& done) {
  for (int i = 0; i < 30000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return false;
}

class TinyRun : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    write_file(folder_ / "text.txt", small_text());
    options_.folder = folder_.string();
    // What the caller's environment says must not matter.
    options_.environment = {"CLLM_THREADS", "OMP_NUM_THREADS", "CLLM_ISA"};
  }

  // cllm train of a model of 27 thousand parameters.
  static Words train(const std::string& data = "text.txt", const std::string& out = "run") {
    return Words{"train", "--data",       data, "--out",     out, "--context-length",
                 "16",    "--batch-size", "4",  "--threads", "1"} +
           set({"model.layers=2", "model.width=32", "model.heads=2", "schedule.warmup_steps=2"});
  }
  static Words set(const Words& assignments) {
    Words words;
    for (const std::string& assignment : assignments)
      words = words + Words{"--set", assignment};
    return words;
  }
  static Words steps(int steps) { return {"--steps", std::to_string(steps)}; }

  ProgramResult cllm(const Words& words) const { return run_program(words, options_); }
  // Runs a command of the shell in the folder; $CLLM is the program.
  ProgramResult shell(const std::string& command) const {
    const std::string line = "cd '" + folder_.string() +
                             "' && export CLLM='" CLLM_PROGRAM "' && { " + command +
                             "; } >shell.out 2>shell.err";
    const int status = std::system(line.c_str());
    const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return {code, read_file(folder_ / "shell.out"), read_file(folder_ / "shell.err")};
  }
  static std::string command_line(const Words& words) {
    std::string line = "\"$CLLM\"";
    for (const std::string& word : words)
      line += " '" + word + "'";
    return line;
  }

  RunFolder run() const { return RunFolder::at(folder_ / "run"); }
  int64_t steps_logged() const {
    std::error_code missing;
    if (!fs::exists(run().metrics(), missing)) return 0;
    const std::string text = read_file(run().metrics());
    return std::count(text.begin(), text.end(), '\n');
  }
  bool wait_for_steps(int64_t steps) const {
    return wait_until([&] { return steps_logged() >= steps; });
  }
  std::string manifest(int64_t step) const {
    return read_file(run().checkpoint(step) / "manifest.json");
  }

  fs::path at(const std::string& name) const { return folder_ / name; }
  ProgramOptions options_;
};

// The one line that an error is: "cllm: ...", last on stderr, and no other of that kind.
inline std::string error_line(const ProgramResult& result) {
  std::string found;
  size_t begin = 0;
  int lines = 0;
  while (begin < result.err.size()) {
    const size_t end = std::min(result.err.find('\n', begin), result.err.size());
    const std::string line = result.err.substr(begin, end - begin);
    if (line.starts_with("cllm: ")) ++lines;
    found = line;
    begin = end + 1;
  }
  EXPECT_EQ(lines, 1) << result.err;
  EXPECT_TRUE(found.starts_with("cllm: ")) << result.err;
  return found;
}

// Exit code and one line that contains each of `parts`.
inline void expect_error(const ProgramResult& result, int code, const Words& parts) {
  EXPECT_EQ(result.code, code) << result.err;
  const std::string line = error_line(result);
  for (const std::string& part : parts)
    EXPECT_THAT(line, testing::HasSubstr(part));
  EXPECT_EQ(result.out, "");
}

// Every file below a folder with its contents; links with their targets.
inline std::map<std::string, std::string> snapshot(const fs::path& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    const std::string name = entry.path().lexically_relative(folder).string();
    if (entry.is_symlink())
      files[name] = "-> " + fs::read_symlink(entry.path()).string();
    else
      files[name] = entry.is_regular_file() ? read_file(entry.path()) : "folder";
  }
  return files;
}

// Names below a folder that only a writer that was killed leaves behind.
inline Words leftovers(const fs::path& folder) {
  Words names;
  for (const auto& [name, text] : snapshot(folder)) {
    const std::string last = fs::path(name).filename().string();
    if (last.starts_with(".tmp-") || last == ".lock") names.push_back(name);
  }
  return names;
}

// Steps 1..n once each, and records in the order of their steps.
inline void expect_whole_metrics(const RunFolder& run, int64_t steps) {
  const Metrics metrics = read_metrics(run.metrics());
  ASSERT_EQ(std::ssize(metrics.steps), steps);
  for (int64_t i = 0; i < steps; ++i)
    ASSERT_EQ(metrics.steps[static_cast<size_t>(i)].step, i + 1);
  for (size_t i = 1; i < metrics.evaluations.size(); ++i)
    EXPECT_LT(metrics.evaluations[i - 1].step, metrics.evaluations[i].step);
}

// Bit-equal courses; times differ.
inline void expect_same_course(const RunFolder& left, const RunFolder& right) {
  const Metrics a = read_metrics(left.metrics()), b = read_metrics(right.metrics());
  ASSERT_EQ(a.steps.size(), b.steps.size());
  for (size_t i = 0; i < a.steps.size(); ++i) {
    ASSERT_EQ(a.steps[i].loss, b.steps[i].loss) << "step " << a.steps[i].step;
    ASSERT_EQ(a.steps[i].gradient_norm, b.steps[i].gradient_norm);
    ASSERT_EQ(a.steps[i].tokens, b.steps[i].tokens);
  }
  ASSERT_EQ(a.evaluations.size(), b.evaluations.size());
  for (size_t i = 0; i < a.evaluations.size(); ++i)
    ASSERT_EQ(a.evaluations[i].loss, b.evaluations[i].loss);
}

}  // namespace cllm::cli
