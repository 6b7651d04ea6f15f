#include "bench/peer_tuning.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace cllm::bench {
namespace {

// Debian's folder of libraries, e.g. usr/lib/x86_64-linux-gnu.
constexpr const char* kLibraries = "usr/lib/x86_64-linux-gnu";

std::optional<std::string> library(const fs::path& root, const std::string& name) {
  const fs::path path = root / kLibraries / name;
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  return path.string();
}

// Every step takes and gives back the same large buffers; what costs is the kernel's zeroing of
// pages that were given back, so each allocator is told to keep them.
TuningQuestion allocator_question(const fs::path& root) {
  TuningQuestion question{"allocator", {{"glibc", {}}}};
  const std::vector<std::string> keep = {
      "MALLOC_MMAP_THRESHOLD_=4294967296", "MALLOC_TRIM_THRESHOLD_=1099511627776",
      "MALLOC_TOP_PAD_=268435456", "GLIBC_TUNABLES=glibc.malloc.hugetlb=1"};
  question.choices.push_back({"glibc keeping its memory, huge pages", keep});
  if (const auto jemalloc = library(root, "libjemalloc.so.2"))
    question.choices.push_back(
        {"jemalloc keeping its memory, huge pages",
         {"LD_PRELOAD=" + *jemalloc,
          "MALLOC_CONF=oversize_threshold:0,dirty_decay_ms:-1,muzzy_decay_ms:-1,thp:always,"
          "metadata_thp:auto"}});
  for (const char* name : {"libtcmalloc_minimal.so.4", "libtcmalloc.so.4"})
    if (const auto tcmalloc = library(root, name)) {
      question.choices.push_back({"tcmalloc keeping its memory",
                                  {"LD_PRELOAD=" + *tcmalloc, "TCMALLOC_RELEASE_RATE=0",
                                   "TCMALLOC_LARGE_ALLOC_REPORT_THRESHOLD=1099511627776"}});
      break;
    }
  return question;
}

// Debian keeps the variants beside each other; the alternative only names the default.
TuningQuestion blas_question(const fs::path& root) {
  TuningQuestion question{"BLAS", {{"the system's", {}}}};
  std::error_code ignored;
  const fs::path system = fs::canonical(root / kLibraries / "libblas.so.3", ignored);
  for (const char* name : {"openblas-pthread", "openblas-openmp", "blis-openmp", "blis-pthread"}) {
    const auto variant = library(root, std::string(name) + "/libblas.so.3");
    if (!variant) continue;
    if (fs::canonical(*variant, ignored) == system)
      question.choices.front().name = name;
    else
      question.choices.push_back(
          {name, {"LD_LIBRARY_PATH=" + fs::path(*variant).parent_path().string()}});
  }
  return question;
}

// OpenMP's threads spin for a while when they have nothing to do, which hurts where a BLAS with
// threads of its own, or another program, wants the same cores. Binding hurts that BLAS too: its
// threads inherit the place of the one that starts them.
TuningQuestion waiting_question() {
  const std::vector<std::string> bound = {"OMP_PROC_BIND=close", "OMP_PLACES=cores"};
  TuningQuestion question{"idle threads",
                          {{"spin for a while", {}},
                           {"sleep", {"OMP_WAIT_POLICY=passive"}},
                           {"spin for a while, bound to cores", bound},
                           {"spin, bound to cores", bound},
                           {"sleep, bound to cores", bound}}};
  question.choices[3].environment.emplace_back("OMP_WAIT_POLICY=active");
  question.choices[4].environment.emplace_back("OMP_WAIT_POLICY=passive");
  return question;
}

std::vector<std::string> thread_variables(int threads) {
  std::vector<std::string> variables;
  for (const char* name : {"OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS"})
    variables.push_back(fmt::format("{}={}", name, threads));
  return variables;
}

// Small models are faster on fewer threads than there are cores.
TuningQuestion count_question(int threads) {
  TuningQuestion question{"threads", {}};
  for (int count = threads; count >= 1; count /= 2)
    question.choices.push_back({std::to_string(count), thread_variables(count)});
  return question;
}

// ATen takes AVX2 by itself even where it was built with AVX-512.
TuningQuestion vector_question() {
  return {"ATen vectors", {{"its choice", {}}, {"avx512", {"ATEN_CPU_CAPABILITY=avx512"}}}};
}

}  // namespace

std::vector<TuningQuestion> tuning_questions(int threads, const fs::path& root) {
  return {waiting_question(), blas_question(root), count_question(threads), vector_question(),
          allocator_question(root)};
}

std::vector<TuningQuestion> as_installed(std::vector<TuningQuestion> questions) {
  for (TuningQuestion& question : questions)
    question.choices.resize(1);
  return questions;
}

TuningSearch tune(const std::vector<TuningQuestion>& questions,
                  const std::function<double(const Tuning&)>& measure) {
  Tuning first;
  for (const TuningQuestion& question : questions)
    first.push_back(question.choices.front());
  TuningSearch search;
  search.best = {first, measure(first)};
  search.trials.push_back(search.best);
  for (size_t place = 0; place < questions.size(); ++place) {
    const Tuning settled = search.best.tuning;
    for (size_t choice = 1; choice < questions[place].choices.size(); ++choice) {
      Tuning tuning = settled;
      tuning[place] = questions[place].choices[choice];
      search.trials.push_back({tuning, measure(tuning)});
      if (search.trials.back().speed > search.best.speed) search.best = search.trials.back();
    }
  }
  return search;
}

std::vector<std::string> tuning_environment(const Tuning& tuning) {
  std::vector<std::string> environment;
  for (const TuningChoice& choice : tuning)
    environment.insert(environment.end(), choice.environment.begin(), choice.environment.end());
  return environment;
}

std::string tuning_text(const std::vector<TuningQuestion>& questions, const Tuning& tuning) {
  std::string text;
  for (size_t i = 0; i < questions.size(); ++i)
    text += fmt::format("{}{}: {}", i == 0 ? "" : "; ", questions[i].about, tuning[i].name);
  return text;
}

}  // namespace cllm::bench
