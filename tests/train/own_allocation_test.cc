// Counts heap allocations inside a training step. Its own program, because it takes the place of
// malloc: operator new and everything else in libstdc++ and libc ends there.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <thread>
#include <vector>

#include "trainer_rig.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CLLM_OWN_MALLOC 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CLLM_OWN_MALLOC 0
#endif
#endif
#ifndef CLLM_OWN_MALLOC
#define CLLM_OWN_MALLOC 1
#endif

namespace {

std::atomic<int64_t> allocations{0};  // of all threads

}  // namespace

#if CLLM_OWN_MALLOC
extern "C" {

void* __libc_malloc(size_t);
void* __libc_calloc(size_t, size_t);
void* __libc_realloc(void*, size_t);
void* __libc_memalign(size_t, size_t);

void* malloc(size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(bytes);
}
void* calloc(size_t count, size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, bytes);
}
void* realloc(void* old, size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(old, bytes);
}
void* memalign(size_t alignment, size_t bytes) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_memalign(alignment, bytes);
}
void* aligned_alloc(size_t alignment, size_t bytes) noexcept {
  return memalign(alignment, bytes);
}
int posix_memalign(void** to, size_t alignment, size_t bytes) noexcept {
  *to = memalign(alignment, bytes);
  return *to != nullptr ? 0 : ENOMEM;
}

}  // extern "C"
#endif

namespace cllm {
namespace {

template <class Body>
int64_t allocations_in(Body body) {
  const int64_t before = allocations.load();
  body();
  return allocations.load() - before;
}

class Allocation : public ::testing::Test {
 protected:
  void SetUp() override {
    if (CLLM_OWN_MALLOC == 0) GTEST_SKIP() << "a sanitizer has taken the place of malloc";
  }
};

TEST_F(Allocation, TheCounterSeesAllocationsOfEveryKindAndThread) {
  // volatile: a compiler may leave out an allocation whose result nobody sees.
  std::vector<int>* volatile numbers = nullptr;
  EXPECT_EQ(allocations_in([&] { numbers = new std::vector<int>(9); }), 2);
  delete numbers;
  void* volatile memory = nullptr;
  EXPECT_EQ(allocations_in([&] { memory = std::malloc(100); }), 1);
  std::free(memory);
  EXPECT_EQ(allocations_in([&] { memory = std::aligned_alloc(64, 128); }), 1);
  std::free(memory);
  ThreadPool pool(2);
  std::unique_ptr<int> made[2];
  EXPECT_EQ(allocations_in([&] {
              pool.parallel_for(2,
                                [&](int64_t task, int) { made[task] = std::make_unique<int>(1); });
            }),
            2);
  EXPECT_EQ(allocations_in([] {}), 0);
}

TEST_F(Allocation, ATrainingStepMakesNoneAfterTheFirst) {
  RunSettings sgd = llama_settings();
  sgd.optimizer.kind = OptimizerSettings::Kind::kSgd;
  RunSettings by_ranges = gpt2_settings();
  by_ranges.train.clip_norm = 0;
  by_ranges.train.gradient_accumulation_steps = 1;
  RunSettings by_shards = gpt2_settings();
  by_shards.parallel.mode = ParallelSettings::Mode::kBatch;
  by_shards.parallel.shards = 2;
  RunSettings exact = by_shards;
  exact.parallel.reduction = ParallelSettings::Reduction::kFixed;
  for (const RunSettings& family :
       {gpt2_settings(), llama_settings(), sgd, muon_settings(), by_ranges, by_shards,
        factorised_settings(), composite_settings(), lattice_settings(), exact,
        residual_settings()}) {
    for (const RunSettings& settings : in_every_storage(family)) {
      for (const int threads : {1, 3}) {
        SCOPED_TRACE(fmt::format("{}, {} threads", storage_name(settings), threads));
        TrainerRig rig(settings, threads);
        EXPECT_GT(allocations_in([&] { TrainerRig another(settings, threads); }), 20);
        rig.steps(1);
        EXPECT_EQ(allocations_in([&] { rig.steps(9); }), 0);
      }
    }
  }
}

}  // namespace
}  // namespace cllm
