// Lays out the buffers of a run before it starts: every buffer is declared with its size and the
// span of events in which it is alive, and gets an offset in one arena, so that peak memory is
// known before step 1 and nothing is allocated inside a step. Layers walk their forward and
// backward once over the planner, in the order in which they will run, declaring and touching
// slots; then place() fixes the offsets.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cllm {

// A buffer of floats known to a Planner; invalid until declared.
struct Slot {
  int32_t index = -1;
  bool valid() const { return index >= 0; }
};

class Planner {
 public:
  // Alignment and granularity of every buffer: one cache line of floats.
  static constexpr int64_t kAlignment = 16;

  // A buffer of `floats` elements, alive from the current event. Error (kMemory) for an absurd
  // size.
  Slot declare(std::string name, int64_t floats);
  // A buffer alive during the whole run (tables, caches).
  Slot declare_permanent(std::string name, int64_t floats);
  // The buffer is still needed in the current event. Invalid slots are ignored.
  void touch(Slot slot);
  // Moves to the next event. Buffers whose lifetimes share no event may share memory.
  void advance() { ++now_; }

  // Fixes all offsets (largest first, lowest gap that fits) and returns the arena's size in floats.
  // O(n^2) in the number of slots. Nothing may be declared or touched afterwards.
  int64_t place();

  // After place(): the slot's first element in the arena, in floats.
  int64_t offset(Slot slot) const;
  int64_t arena_floats() const { return arena_floats_; }

  struct Entry {
    std::string name;
    int64_t floats = 0;  // rounded up to kAlignment
    int64_t first = 0;   // events, inclusive
    int64_t last = 0;
    int64_t offset = -1;
  };
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  int64_t now_ = 0;
  int64_t arena_floats_ = -1;
};

}  // namespace cllm
