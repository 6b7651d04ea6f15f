// How a peer is set up to be as fast as it can be: its allocator, its BLAS, where its threads stand
// and which vectors it uses decide about a factor of two for PyTorch, and what is best differs
// between machines, so the choice is measured, question by question.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/file.h"

namespace cllm::bench {

struct TuningChoice {
  std::string name;                      // "jemalloc"
  std::vector<std::string> environment;  // "NAME=value"
};

struct TuningQuestion {
  std::string about;                  // "allocator"
  std::vector<TuningChoice> choices;  // what is installed here; the first is as installed
};

// One choice per question.
using Tuning = std::vector<TuningChoice>;

// The questions of a program that uses PyTorch's CPU backend and may use so many threads, those
// that decide most first. root stands for "/" and is another folder in tests only.
std::vector<TuningQuestion> tuning_questions(int threads, const fs::path& root = "/");

// The same questions with nothing to choose.
std::vector<TuningQuestion> as_installed(std::vector<TuningQuestion> questions);

struct TuningTrial {
  Tuning tuning;
  double speed = 0;  // more is better
};

struct TuningSearch {
  std::vector<TuningTrial> trials;  // in the order of trial; the first is as installed
  TuningTrial best;
};

// Every question's first choice, then question by question the best choice with the earlier ones
// settled.
TuningSearch tune(const std::vector<TuningQuestion>& questions,
                  const std::function<double(const Tuning&)>& measure);

std::vector<std::string> tuning_environment(const Tuning& tuning);
// "allocator jemalloc, BLAS openblas-openmp, ..."
std::string tuning_text(const std::vector<TuningQuestion>& questions, const Tuning& tuning);

}  // namespace cllm::bench
