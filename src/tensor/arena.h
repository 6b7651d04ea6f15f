// One block of zeroed floats from the operating system, asked to lie on huge pages: touching 320 MB
// costs 160 ms through malloc and free each step, 10 ms once it is resident. Owns its memory;
// movable.
#pragma once

#include <cstdint>
#include <string_view>

namespace cllm {

class Arena {
 public:
  Arena() = default;
  // Error (kMemory) naming `purpose` and the size if the system refuses.
  Arena(int64_t floats, std::string_view purpose);
  ~Arena();
  Arena(Arena&& other) noexcept;
  Arena& operator=(Arena&& other) noexcept;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // Returns the whole pages within [begin, begin + count) to the system; they read as zero then.
  void give_back(int64_t begin, int64_t count);

  float* data() { return data_; }
  const float* data() const { return data_; }
  int64_t floats() const { return floats_; }
  int64_t bytes() const { return floats_ * static_cast<int64_t>(sizeof(float)); }

 private:
  float* data_ = nullptr;  // 64-byte aligned at least
  int64_t floats_ = 0;
};

}  // namespace cllm
