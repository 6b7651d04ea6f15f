// The time of BatchLoader::next on a token file that is not in memory, and again when it is, with a
// pause after every batch in which a step would be computed. Usage: bench_loader FOLDER [GIB] B T
// makes a prepared folder of so many GiB (default 2) there unless it exists.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "data/loader.h"

namespace cllm {
namespace {

constexpr int kVocabulary = 50257, kBatches = 50;
constexpr auto kStep = std::chrono::milliseconds(50);
constexpr const char* kShard = "tokens-00000.tok";

void make_tokens(const fs::path& folder, int64_t gib) {
  make_folder(folder);
  ShardWriter writer(folder / kShard, kVocabulary, 1);
  writer.begin_document();
  std::vector<Token> block(1 << 20);
  for (size_t i = 0; i < block.size(); ++i)
    block[i] = static_cast<Token>(i % kVocabulary);
  for (int64_t blocks = gib << 9; blocks > 0; --blocks)
    writer.append(block);
  write_dataset_index(folder, {{kShard, writer.commit()}}, 0);
}

// Takes the file's pages back from memory.
void drop_pages(const fs::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  ::fsync(descriptor);
  ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
  ::close(descriptor);
}

void measure(const char* name, const fs::path& folder, int64_t B, int64_t T) {
  const TokenDataset data = TokenDataset::open(folder);
  BatchLoader loader(data.all(), B, T, 1);
  std::vector<int32_t> tokens(static_cast<size_t>(B * T)), targets(tokens.size());
  std::vector<double> times;
  for (int i = 0; i < kBatches; ++i) {
    const double start = steady_seconds();
    loader.next(tokens.data(), targets.data());
    times.push_back(1e3 * (steady_seconds() - start));
    std::this_thread::sleep_for(kStep);
  }
  std::sort(times.begin() + 1, times.end());  // the first batch waits in any case
  fmt::print(
      "{:<12} first {:8.3f} ms, then median {:7.3f}, nine of ten below {:7.3f}, most {:7.3f}\n",
      name, times[0], times[kBatches / 2], times[kBatches * 9 / 10], times.back());
}

}  // namespace
}  // namespace cllm

int main(int count, char** words) {
  using namespace cllm;
  if (count != 4 && count != 5) {
    fmt::print(stderr, "usage: bench_loader FOLDER [GIB] B T\n");
    return 2;
  }
  try {
    const fs::path folder = words[1];
    const int64_t B = std::stoll(words[count - 2]), T = std::stoll(words[count - 1]);
    if (!is_dataset_folder(folder)) make_tokens(folder, count == 5 ? std::stoll(words[2]) : 2);
    drop_pages(folder / kShard);
    measure("from disk", folder, B, T);
    measure("from memory", folder, B, T);
  } catch (const std::exception& error) {
    fmt::print(stderr, "bench_loader: {}\n", error.what());
    return 1;
  }
}
