#include "threads/pool.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "base/error.h"

namespace cllm {
namespace {

TEST(ThreadPool, RunsEveryTaskOnceForAnySize) {
  for (int threads = 1; threads <= 5; ++threads) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (int64_t tasks = 0; tasks <= 23; ++tasks) {
      std::vector<int> runs(static_cast<size_t>(tasks));
      pool.parallel_for(tasks, [&](int64_t task, int worker) {
        ++runs[static_cast<size_t>(task)];
        if (worker < 0 || worker >= threads) runs[static_cast<size_t>(task)] = -100;
      });
      for (const int count : runs)
        ASSERT_EQ(count, 1) << threads << " threads, " << tasks;
    }
  }
}

// Holds the first task of every share until all workers have one, so that none is taken over.
TEST(ThreadPool, EachWorkerStartsOnItsOwnShare) {
  ThreadPool pool(3);
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::atomic<int> started{0};
    std::vector<int> owner(9, -1);
    pool.parallel_for(9, [&](int64_t task, int worker) {
      owner[task] = worker;
      if (task % 3 != 0) return;
      ++started;
      while (started < 3)
        std::this_thread::yield();
    });
    EXPECT_EQ(owner[0], 0);
    EXPECT_EQ(owner[3], 1);
    EXPECT_EQ(owner[6], 2);
  }
}

// Worker 1 is held in its first task until everything else is done: the others did its share.
TEST(ThreadPool, TasksOfAStalledWorkerAreTakenOver) {
  ThreadPool pool(2);
  std::atomic<int> done{0};
  std::atomic<bool> stalled{false};
  pool.parallel_for(100, [&](int64_t, int worker) {
    if (worker == 1 && !stalled.exchange(true)) {
      while (done < 99)
        std::this_thread::yield();
    } else if (worker == 0 && !stalled) {
      while (!stalled)
        std::this_thread::yield();
    }
    ++done;
  });
  EXPECT_EQ(done, 100);
}

TEST(ThreadPool, TheCallerIsWorkerZero) {
  ThreadPool pool(4);
  const std::thread::id caller = std::this_thread::get_id();
  pool.parallel_for(1000, [&](int64_t, int worker) {
    EXPECT_EQ(worker == 0, std::this_thread::get_id() == caller);
  });
}

// What one call wrote is seen by the next, whichever worker reads it; ThreadSanitizer checks the
// same. No sleep between calls: a worker may still be on its way out of the call before.
TEST(ThreadPool, CallsFollowEachOtherWithoutGaps) {
  ThreadPool pool(4);
  std::vector<int64_t> values(64), sums(64);
  for (int64_t step = 0; step < 2000; ++step) {
    pool.parallel_for(64, [&](int64_t task, int) { values[task] = step + task; });
    pool.parallel_for(64, [&](int64_t task, int) { sums[task] = values[63 - task] + 1; });
  }
  for (int64_t task = 0; task < 64; ++task)
    EXPECT_EQ(sums[task], 1999 + 63 - task + 1);
}

TEST(ThreadPool, WakesWorkersThatFellAsleep) {
  ThreadPool pool(4);
  for (int repeat = 0; repeat < 20; ++repeat) {
    std::atomic<int> runs{0};
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    pool.parallel_for(8, [&](int64_t, int) { ++runs; });
    ASSERT_EQ(runs.load(), 8);
  }
}

TEST(ThreadPool, TheCallerSleepsUntilASlowWorkerIsDone) {
  ThreadPool pool(2);
  for (int repeat = 0; repeat < 10; ++repeat) {
    std::atomic<bool> begun{false};
    int slow = 0;
    pool.parallel_for(2, [&](int64_t task, int worker) {
      if (worker == 0) {
        while (!begun)
          std::this_thread::yield();
        return;
      }
      begun = true;
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      slow += task == 1;
    });
    ASSERT_EQ(slow, 1);
  }
}

TEST(ThreadPool, PostedTasksRunOnceBesideLoopsAndAreDoneAtTheEnd) {
  for (int threads = 1; threads <= 4; ++threads) {
    ThreadPool pool(threads);
    for (int64_t tasks = 0; tasks <= 40; ++tasks) {
      std::vector<int> posted(static_cast<size_t>(tasks)), runs(64);
      auto body = [&](int64_t task) { ++posted[static_cast<size_t>(task)]; };
      pool.post(tasks, body);
      for (int repeat = 0; repeat < 20; ++repeat)
        pool.parallel_for(64, [&](int64_t task, int) { ++runs[static_cast<size_t>(task)]; });
      pool.finish_posted();
      for (const int count : posted)
        ASSERT_EQ(count, 1) << threads << " threads, " << tasks;
      for (const int count : runs)
        ASSERT_EQ(count, 20);
    }
  }
}

// The posted task goes on until a later loop is over, which it could not if a loop waited for it.
TEST(ThreadPool, NoLoopWaitsForAPostedTask) {
  ThreadPool pool(2);
  std::atomic<bool> begun{false}, released{false};
  auto body = [&](int64_t) {
    begun = true;
    while (!released)
      std::this_thread::yield();
  };
  pool.post(1, body);
  while (!begun)  // a worker takes it when a loop has nothing more for it
    pool.parallel_for(2, [](int64_t, int) {});
  int sum = 0;
  pool.parallel_for(1000, [&](int64_t, int worker) { sum += worker == 0; });
  EXPECT_EQ(sum, 1000) << "the caller alone, the worker being elsewhere";
  released = true;
  pool.finish_posted();
}

// The second post waits for the first; what the first wrote is seen by the second.
TEST(ThreadPool, PostsFollowEachOther) {
  ThreadPool pool(4);
  std::vector<int64_t> values(64);
  for (int64_t step = 0; step < 500; ++step) {
    auto add = [&](int64_t task) { values[static_cast<size_t>(task)] += 1; };
    auto reverse = [&](int64_t task) {
      if (task < 32)
        std::swap(values[static_cast<size_t>(task)], values[static_cast<size_t>(63 - task)]);
    };
    pool.post(64, add);
    pool.parallel_for(8, [](int64_t, int) {});
    pool.post(64, reverse);
    pool.finish_posted();
  }
  for (const int64_t value : values)
    ASSERT_EQ(value, 500);
}

TEST(ThreadPool, StartsAndStopsWithoutWork) {
  for (int repeat = 0; repeat < 50; ++repeat)
    const ThreadPool pool(4);
}

TEST(ThreadPool, TakesAConstBody) {
  ThreadPool pool(2);
  std::vector<int> seen(2);
  const auto body = [&](int64_t task, int) { seen[task] = 1; };
  pool.parallel_for(2, body);
  EXPECT_EQ(seen, (std::vector<int>{1, 1}));
}

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
// Sanitizers need more address space than this limit leaves.
TEST(ThreadPoolDeath, AsksForMoreThreadsThanTheSystemGives) {
  const auto ask = [] {
    const rlimit limit{1U << 30, 1U << 30};  // stacks of 8 MiB: about a hundred fit
    if (::setrlimit(RLIMIT_AS, &limit) != 0) std::exit(1);
    try {
      const ThreadPool pool(1000);
    } catch (const Error& error) {
      std::fputs(error.what(), stderr);
      std::exit(error.exit_code() + 40);
    }
    std::exit(2);
  };
  EXPECT_EXIT(ask(), testing::ExitedWithCode(41), "threads: cannot start 1000 threads");
}
#endif

TEST(ThreadPoolDeath, NeedsAThread) {
  EXPECT_DEATH(ThreadPool(0), "threads=0");
}

}  // namespace
}  // namespace cllm
