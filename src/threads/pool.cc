#include "threads/pool.h"

#include <atomic>
#include <system_error>
#include <thread>
#include <vector>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

// Spins before sleeping in the kernel: about 100 microseconds (a pause takes 26 ns on the Zen core
// measured), longer than the gap between two operations of a step, so that workers sleep only
// between steps.
constexpr int kSpins = 4000;

void pause_core() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

int checked(int threads) {
  CHECK_MSG(threads >= 1, "threads={}", threads);
  return threads;
}

}  // namespace

// How it works. run() cuts the tasks into one contiguous share per worker and publishes each share
// as one word (next, end) in the worker's cursor. A worker takes tasks from the front of its own
// share, then helps others from the back of theirs, so a core that the machine takes away in the
// middle of a loop costs one task, not a share. Taking is a compare-and-swap on the word; a taken
// task keeps its loop open, since run() returns only when `remaining` is 0, so what a worker reads
// after a successful swap belongs to the loop of that task even if it went to sleep in an earlier
// loop.
//
// Posted tasks are one more share that belongs to nobody, with a count of its own. A worker looks
// at it between loops only, and the caller in finish_posted() only, so that no loop waits for them.
struct ThreadPool::State {
  struct alignas(64) Cursor {
    std::atomic<uint64_t> share{0};  // next task in the high, end in the low half
  };

  explicit State(int threads)
      : size(threads),
        spins(threads <= static_cast<int>(std::thread::hardware_concurrency()) ? kSpins : 0),
        cursors(static_cast<size_t>(threads)) {}

  const int size;
  const int spins;  // none with more threads than cores: spinning would keep others from working
  std::vector<Cursor> cursors;
  std::vector<std::jthread> workers;

  // The loop at hand; written before the cursors that publish its tasks.
  void* context = nullptr;
  Call call = nullptr;

  // What was posted; written before its cursor.
  void* posted_context = nullptr;
  Call posted_call = nullptr;
  Cursor posted;
  alignas(64) std::atomic<uint32_t> posted_left{0};  // tasks not yet done

  alignas(64) std::atomic<uint32_t> generation{0};
  alignas(64) std::atomic<uint32_t> remaining{0};  // tasks not yet done
  std::atomic<bool> stop{false};

  static constexpr uint64_t pack(uint64_t next, uint64_t end) { return (next << 32) | end; }

  void publish(int64_t tasks) {
    remaining.store(static_cast<uint32_t>(tasks), std::memory_order_relaxed);
    for (int worker = 0; worker < size; ++worker)
      cursors[static_cast<size_t>(worker)].share.store(
          pack(static_cast<uint64_t>(tasks * worker / size),
               static_cast<uint64_t>(tasks * (worker + 1) / size)),
          std::memory_order_release);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
  }

  // A task of a share, or -1: the first one for its owner, the last one for a helper.
  static int64_t take(Cursor& cursor, bool front) {
    std::atomic<uint64_t>& share = cursor.share;
    uint64_t word = share.load(std::memory_order_acquire);
    for (;;) {
      const uint64_t next = word >> 32, end = word & 0xffffffffu;
      if (next >= end) return -1;
      const uint64_t rest = front ? pack(next + 1, end) : pack(next, end - 1);
      if (share.compare_exchange_weak(word, rest, std::memory_order_acq_rel,
                                      std::memory_order_acquire))
        return static_cast<int64_t>(front ? next : end - 1);
    }
  }

  // Runs tasks until none is left to take.
  void help(int worker) {
    uint32_t done = 0;
    for (int distance = 0; distance < size; ++distance) {
      Cursor& owner = cursors[static_cast<size_t>((worker + distance) % size)];
      for (int64_t task = take(owner, distance == 0); task >= 0;
           task = take(owner, distance == 0)) {
        call(context, task, worker);
        ++done;
      }
    }
    if (done > 0 && remaining.fetch_sub(done, std::memory_order_acq_rel) == done)
      remaining.notify_one();
  }

  // Runs one of the posted tasks; false if none is left to take.
  bool help_posted(int worker) {
    const int64_t task = take(posted, true);
    if (task < 0) return false;
    posted_call(posted_context, task, worker);
    if (posted_left.fetch_sub(1, std::memory_order_acq_rel) == 1) posted_left.notify_one();
    return true;
  }

  void wait_while(const std::atomic<uint32_t>& value, uint32_t old) const {
    for (int spin = 0; spin < spins; ++spin) {
      if (value.load(std::memory_order_acquire) != old) return;
      pause_core();
    }
    value.wait(old, std::memory_order_acquire);
  }

  void wait_for_none(const std::atomic<uint32_t>& left) const {
    for (uint32_t value = left.load(std::memory_order_acquire); value != 0;
         value = left.load(std::memory_order_acquire))
      wait_while(left, value);
  }

  void work(int worker) {
    uint32_t seen = 0;
    for (;;) {
      while (generation.load(std::memory_order_relaxed) == seen && help_posted(worker)) {
      }
      wait_while(generation, seen);
      seen = generation.load(std::memory_order_acquire);
      if (stop.load(std::memory_order_relaxed)) return;
      help(worker);
    }
  }

  // Joins all workers while the atomics they wait on still live.
  ~State() {
    stop.store(true, std::memory_order_relaxed);
    generation.fetch_add(1, std::memory_order_release);
    generation.notify_all();
    workers.clear();
  }
};

ThreadPool::ThreadPool(int threads) : state_(std::make_unique<State>(checked(threads))) {
  try {
    for (int worker = 1; worker < threads; ++worker)
      state_->workers.emplace_back([state = state_.get(), worker] { state->work(worker); });
  } catch (const std::system_error& error) {
    throw Error(ErrorKind::kRuntime, "threads",
                fmt::format("cannot start {} threads: {}", threads, error.code().message()),
                "ask for fewer, or raise the limit of processes");
  }
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::size() const {
  return state_->size;
}

void ThreadPool::run(int64_t tasks, void* context, Call call) {
  if (tasks <= 0) return;
  State& state = *state_;
  if (state.size == 1 || tasks == 1) {
    for (int64_t task = 0; task < tasks; ++task)
      call(context, task, 0);
    return;
  }
  CHECK_MSG(tasks <= UINT32_MAX, "{} tasks", tasks);
  state.context = context;
  state.call = call;
  state.publish(tasks);
  state.help(0);
  state.wait_for_none(state.remaining);
}

void ThreadPool::post_tasks(int64_t tasks, void* context, Call call) {
  finish_posted();
  if (tasks <= 0) return;
  State& state = *state_;
  if (state.size == 1) return run(tasks, context, call);
  CHECK_MSG(tasks <= UINT32_MAX, "{} tasks", tasks);
  state.posted_context = context;
  state.posted_call = call;
  state.posted_left.store(static_cast<uint32_t>(tasks), std::memory_order_relaxed);
  state.posted.share.store(State::pack(0, static_cast<uint64_t>(tasks)), std::memory_order_release);
}

void ThreadPool::finish_posted() {
  State& state = *state_;
  if (state.posted_left.load(std::memory_order_acquire) == 0) return;
  parallel_for(state.size, [&state](int64_t, int worker) {
    while (state.help_posted(worker)) {
    }
  });
  state.wait_for_none(state.posted_left);  // those that were taken before
}

}  // namespace cllm
