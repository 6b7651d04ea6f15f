// Floats on pages of a wanted size: how much of a scattered access is the search for its page.
#pragma once

#include <cstdint>

namespace cllm::bench {

enum class Pages { kSmall, kHuge };  // 4 KiB and 2 MiB

// Owns its memory, which starts as zero. Error (kMemory).
class PagedFloats {
 public:
  PagedFloats(int64_t floats, Pages pages);
  ~PagedFloats();
  PagedFloats(const PagedFloats&) = delete;
  PagedFloats& operator=(const PagedFloats&) = delete;

  float* data() { return data_; }  // at the beginning of a huge page
  int64_t floats() const { return floats_; }
  // Share of it that lies on huge pages, which the system may refuse.
  double huge_share() const { return huge_share_; }

 private:
  void* mapped_ = nullptr;
  float* data_ = nullptr;
  int64_t floats_;
  double huge_share_ = 0;
};

}  // namespace cllm::bench
