// A pool of threads for fork-join loops whose tasks are cut by shape, and for work beside them. The
// caller is worker 0. Which worker runs a task never changes a result, as long as a task writes
// only what belongs to it; so results have the same bits for any number of threads.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace cllm {

class ThreadPool {
 public:
  // threads >= 1; starts threads - 1 workers. Error (kRuntime) if the system refuses that many.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  // Calls body(task, worker) once for each task in [0, tasks), worker in [0, size()), and returns
  // when all are done. Each worker starts on one contiguous range of tasks, the same in every call
  // with the same `tasks`, so data stays in the cache of the core that made it; a worker that has
  // finished takes over tasks of the others. Allocates nothing; costs one or two microseconds. body
  // must not throw and must not call parallel_for of this pool. One caller at a time. tasks < 2^32.
  template <class Body>
  void parallel_for(int64_t tasks, Body&& body) {
    using Plain = std::remove_reference_t<Body>;
    run(tasks, const_cast<void*>(static_cast<const void*>(&body)),
        [](void* context, int64_t task, int worker) {
          (*static_cast<Plain*>(context))(task, worker);
        });
  }

  // Calls body(task) once for each task in [0, tasks) beside the loops that follow: a worker that
  // finds nothing more to do in a loop takes one. finish_posted() does what is left and returns
  // when all are done; body lives until then, and touches nothing that those loops touch. What was
  // posted before is finished first. A pool of one thread runs them at once. body must not throw.
  // Tasks of some ten microseconds: the next loop does not wait for a worker that is in one, but
  // goes on without it. tasks < 2^32.
  template <class Body>
  void post(int64_t tasks, Body& body) {
    post_tasks(tasks, &body,
               [](void* context, int64_t task, int) { (*static_cast<Body*>(context))(task); });
  }
  void finish_posted();

 private:
  using Call = void (*)(void* context, int64_t task, int worker);
  void run(int64_t tasks, void* context, Call call);
  void post_tasks(int64_t tasks, void* context, Call call);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cllm
