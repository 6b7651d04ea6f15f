#include "tensor/arena.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <limits>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr int64_t kLargest = std::numeric_limits<int64_t>::max() / 4;

size_t mapped_bytes(int64_t floats) {
  return static_cast<size_t>(floats) * sizeof(float);
}

}  // namespace

Arena::Arena(int64_t floats, std::string_view purpose) : floats_(floats) {
  CHECK(floats >= 0);
  if (floats == 0) return;
  errno = ENOMEM;  // what mmap would say of a size that bytes cannot count
  void* mapped = MAP_FAILED;
  if (floats <= kLargest)
    mapped = ::mmap(nullptr, mapped_bytes(floats), PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED)
    throw Error(ErrorKind::kMemory, "",
                fmt::format("cannot get {:.1f} MiB for {}: {}",
                            4 * static_cast<double>(floats) / (1 << 20), purpose, errno_text()),
                "choose a smaller model, batch or context; `cllm plan` shows what each needs");
  // Advice only: a kernel without transparent huge pages still runs, with more TLB misses.
  if (mapped_bytes(floats) >= kHugePage) ::madvise(mapped, mapped_bytes(floats), MADV_HUGEPAGE);
  data_ = static_cast<float*>(mapped);
}

Arena::~Arena() {
  if (data_ != nullptr) ::munmap(data_, mapped_bytes(floats_));
}

void Arena::give_back(int64_t begin, int64_t count) {
  CHECK_MSG(begin >= 0 && count >= 0 && begin + count <= floats_, "{}+{} of {}", begin, count,
            floats_);
  const size_t page = static_cast<size_t>(::sysconf(_SC_PAGESIZE));
  const size_t first = (mapped_bytes(begin) + page - 1) / page * page;
  const size_t end = mapped_bytes(begin + count) / page * page;
  if (first >= end) return;
  char* bytes = reinterpret_cast<char*>(data_);
  CHECK(::madvise(bytes + first, end - first, MADV_DONTNEED) == 0);
}

Arena::Arena(Arena&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), floats_(std::exchange(other.floats_, 0)) {}

Arena& Arena::operator=(Arena&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(floats_, other.floats_);
  return *this;
}

}  // namespace cllm
