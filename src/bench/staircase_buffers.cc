#include "bench/staircase_buffers.h"

#include "base/check.h"
#include "base/error.h"

namespace cllm::bench {
namespace {

constexpr int64_t kLine = 16;  // floats of a cache line, and of the widest vector

}  // namespace

float* Buffers::take(int64_t floats) {
  const int64_t size = (floats + kLine - 1) / kLine * kLine + kLine;
  if (reuse_) {
    if (taken_ == kept_.size()) kept_.emplace_back(size, "the staircase");
    Arena& kept = kept_[taken_++];
    CHECK_EQ(kept.floats(), size);
    return kept.data();
  }
  const auto bytes = static_cast<size_t>(size) * sizeof(float);
  fresh_.emplace_back(static_cast<float*>(std::aligned_alloc(kLine * sizeof(float), bytes)));
  if (fresh_.back() == nullptr)
    throw Error(ErrorKind::kMemory, "", fmt::format("no {} bytes for the staircase", bytes),
                "choose a smaller --shape");
  return fresh_.back().get();
}

void Buffers::release() {
  fresh_.clear();
  taken_ = 0;
}

}  // namespace cllm::bench
