#include "tensor/planner.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "base/philox.h"

namespace cllm {
namespace {

bool share_an_event(const Planner::Entry& a, const Planner::Entry& b) {
  return a.first <= b.last && b.first <= a.last;
}

// "" if no two buffers that are alive in the same event overlap, and all lie inside the arena.
std::string fault_of(const std::vector<Planner::Entry>& entries, int64_t arena_floats) {
  for (size_t i = 0; i < entries.size(); ++i) {
    const Planner::Entry& a = entries[i];
    if (a.offset < 0 || a.offset + a.floats > arena_floats) return a.name + " lies outside";
    if (a.offset % Planner::kAlignment != 0) return a.name + " is not aligned";
    for (size_t j = i + 1; j < entries.size(); ++j) {
      const Planner::Entry& b = entries[j];
      const bool overlap = a.offset < b.offset + b.floats && b.offset < a.offset + a.floats;
      if (overlap && share_an_event(a, b)) return a.name + " overlaps " + b.name;
    }
  }
  return "";
}

// Floats alive in the busiest event: no plan can be smaller.
int64_t least_arena(const std::vector<Planner::Entry>& entries) {
  int64_t most = 0;
  for (const Planner::Entry& at : entries) {
    int64_t alive = 0;
    for (const Planner::Entry& entry : entries)
      if (entry.first <= at.first && at.first <= entry.last) alive += entry.floats;
    most = std::max(most, alive);
  }
  return most;
}

int64_t sum_of(const std::vector<Planner::Entry>& entries) {
  int64_t sum = 0;
  for (const Planner::Entry& entry : entries)
    sum += entry.floats;
  return sum;
}

// A random walk of declarations, touches of earlier slots and events.
Planner random_plan(uint64_t seed) {
  PhiloxSequence random(Philox(seed, RandomStream::kTest), 0);
  Planner planner;
  std::vector<Slot> slots;
  const uint64_t count = 1 + random.below(60);
  while (slots.size() < count) {
    const auto floats = static_cast<int64_t>(random.below(random.below(4) == 0 ? 5000 : 200));
    const std::string name = "s" + std::to_string(slots.size());
    slots.push_back(random.below(12) == 0 ? planner.declare_permanent(name, floats)
                                          : planner.declare(name, floats));
    for (uint64_t touches = random.below(3); touches > 0; --touches)
      planner.touch(slots[random.below(slots.size())]);
    if (random.below(2) == 0) planner.advance();
  }
  return planner;
}

TEST(Planner, RandomLifetimesNeverOverlap) {
  for (uint64_t seed = 0; seed < 400; ++seed) {
    Planner planner = random_plan(seed);
    const int64_t arena = planner.place();
    ASSERT_EQ(fault_of(planner.entries(), arena), "") << "seed " << seed;
    ASSERT_EQ(arena, planner.arena_floats());
    ASSERT_GE(arena, least_arena(planner.entries()));
    ASSERT_LE(arena, sum_of(planner.entries()));
  }
}

TEST(Planner, TheCheckFindsOverlapsAndStrays) {
  Planner planner;
  planner.declare("a", 32);
  planner.declare("b", 32);
  const int64_t arena = planner.place();
  std::vector<Planner::Entry> entries = planner.entries();
  ASSERT_EQ(fault_of(entries, arena), "");
  EXPECT_NE(fault_of(entries, arena - 1), "");
  entries[1].offset = entries[0].offset + 16;
  EXPECT_NE(fault_of(entries, arena), "");
  entries[1].first = entries[1].last = 1;
  EXPECT_EQ(fault_of(entries, arena), "") << "apart in time";
  entries[1].offset = 3;
  EXPECT_NE(fault_of(entries, arena), "");
}

// A chain x0 -> x1 -> x2 ... needs two buffers at a time, however long it is.
TEST(Planner, AChainTakesTwoBuffers) {
  Planner planner;
  Slot previous = planner.declare("x0", 160);
  for (int i = 1; i <= 40; ++i) {
    planner.advance();
    planner.touch(previous);
    previous = planner.declare("x" + std::to_string(i), 160);
  }
  EXPECT_EQ(planner.place(), 2 * 160);
  EXPECT_EQ(fault_of(planner.entries(), 320), "");
}

TEST(Planner, PermanentBuffersAreAliveBeforeAndAfter) {
  Planner planner;
  const Slot early = planner.declare("early", 16);
  planner.advance();
  planner.advance();
  const Slot table = planner.declare_permanent("table", 16);
  planner.advance();
  const Slot late = planner.declare("late", 16);
  EXPECT_EQ(planner.place(), 32);
  EXPECT_NE(planner.offset(table), planner.offset(early));
  EXPECT_NE(planner.offset(table), planner.offset(late));
  EXPECT_EQ(planner.offset(early), planner.offset(late));
}

TEST(Planner, RoundsUpAndIgnoresInvalidSlots) {
  Planner planner;
  planner.touch(Slot{});
  const Slot a = planner.declare("a", 1), b = planner.declare("b", 17),
             none = planner.declare("c", 0);
  EXPECT_EQ(planner.place(), 16 + 32);
  EXPECT_EQ(planner.offset(b), 0) << "the largest first";
  EXPECT_EQ(planner.offset(a), 32);
  EXPECT_GE(planner.offset(none), 0);
}

TEST(Planner, RefusesAbsurdSizes) {
  Planner planner;
  try {
    planner.declare("logits", int64_t{1} << 60);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMemory);
    EXPECT_NE(std::string(error.what()).find("logits"), std::string::npos);
  }
}

TEST(PlannerDeath, MisuseIsOurBug) {
  Planner planner;
  const Slot slot = planner.declare("a", 1);
  EXPECT_DEATH(planner.offset(slot), "arena_floats_");
  planner.place();
  EXPECT_DEATH(planner.offset(Slot{}), "valid");
  EXPECT_DEATH(planner.declare("late", 1), "late");
  EXPECT_DEATH(planner.touch(slot), "arena_floats_");
  EXPECT_DEATH(planner.place(), "arena_floats_");
}

}  // namespace
}  // namespace cllm
