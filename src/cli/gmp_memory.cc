#include "cli/gmp_memory.h"

#include <gmp.h>

#include <cstdlib>
#include <new>

namespace cllm::cli {
namespace {

void* allocate(size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void* reallocate(void* old, size_t, size_t bytes) {
  void* const memory = std::realloc(old, bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

void release(void* memory, size_t) {
  std::free(memory);
}

}  // namespace

void throw_when_gmp_lacks_memory() {
  mp_set_memory_functions(allocate, reallocate, release);
}

}  // namespace cllm::cli
