#include "bench/paged_floats.h"

#include <sys/mman.h>

#include <algorithm>
#include <fstream>
#include <string>

#include "base/error.h"

namespace cllm::bench {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

// Whole huge pages, and one for the alignment.
size_t mapped_bytes(int64_t floats) {
  const size_t bytes = static_cast<size_t>(floats) * sizeof(float);
  return (bytes + kHugePage - 1) / kHugePage * kHugePage + kHugePage;
}

// Bytes of this process on transparent huge pages, 0 if the system does not tell.
int64_t huge_bytes() {
  std::ifstream file("/proc/self/smaps_rollup");
  for (std::string word; file >> word;) {
    if (word != "AnonHugePages:") continue;
    int64_t kib = 0;
    file >> kib;
    return kib * 1024;
  }
  return 0;
}

}  // namespace

PagedFloats::PagedFloats(int64_t floats, Pages pages) : floats_(std::max<int64_t>(floats, 1)) {
  const size_t bytes = mapped_bytes(floats_);
  mapped_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped_ == MAP_FAILED)
    throw Error(ErrorKind::kMemory, "", fmt::format("no {} bytes for a table", bytes),
                "choose a smaller --width or --vocabulary");
  ::madvise(mapped_, bytes, pages == Pages::kHuge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  const auto address = reinterpret_cast<uintptr_t>(mapped_);
  const size_t misfit = (kHugePage - address % kHugePage) % kHugePage;
  data_ = reinterpret_cast<float*>(static_cast<char*>(mapped_) + misfit);
  const int64_t before = huge_bytes();
  std::fill_n(data_, floats_, 0.0f);  // gets the pages
  const double share =
      static_cast<double>(huge_bytes() - before) / (static_cast<double>(floats_) * sizeof(float));
  huge_share_ = std::clamp(share, 0.0, 1.0);
}

PagedFloats::~PagedFloats() {
  ::munmap(mapped_, mapped_bytes(floats_));
}

}  // namespace cllm::bench
