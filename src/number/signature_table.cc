#include "number/signature_table.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "base/error.h"
#include "kernels/table.h"
#include "threads/pool.h"

namespace cllm::number {
namespace {

using kernels::kSignatureBlock;

static_assert(kSignatureBlock == 8);

constexpr size_t kMaxBits = size_t{1} << 31;
// Rows of a task: their counts stay in the first cache, and a task takes tens of microseconds.
constexpr int64_t kChunk = 4096;

bool better(const SignatureMatch& a, const SignatureMatch& b) {
  return a.shared != b.shared ? a.shared > b.shared : a.row < b.row;
}

// The best `count` of what is offered, in any order of offers. Allocates only when it is made.
class Best {
 public:
  explicit Best(size_t count) : count_(count) { kept_.reserve(2 * count); }

  void offer(SignatureMatch match) {
    if (full_ && !better(match, worst_)) return;
    kept_.push_back(match);
    if (kept_.size() == 2 * count_) shrink();
  }
  const std::vector<SignatureMatch>& kept() const { return kept_; }

 private:
  void shrink() {
    const auto last = kept_.begin() + static_cast<ptrdiff_t>(count_ - 1);
    std::nth_element(kept_.begin(), last, kept_.end(), better);
    worst_ = *last;
    full_ = true;
    kept_.resize(count_);
  }

  size_t count_;
  std::vector<SignatureMatch> kept_;
  SignatureMatch worst_;
  bool full_ = false;
};

}  // namespace

SignatureTable::SignatureTable(size_t bits) : bits_(bits) {
  if (bits < 1 || bits >= kMaxBits)
    throw Error(ErrorKind::kUsage, "signature table", fmt::format("rows of {} bits", bits),
                "1 to 2147483647 bits");
}

void SignatureTable::add(const Signature& signature) {
  CHECK_EQ(signature.bits(), bits_);
  add_rows(signature.words());
}

void SignatureTable::add_rows(std::span<const uint64_t> words) {
  const size_t n = this->words(), block = static_cast<size_t>(kSignatureBlock);
  CHECK(words.size() % n == 0);
  const size_t count = words.size() / n, first = static_cast<size_t>(rows_);
  lines_.resize((first + count + block - 1) / block * n);
  for (size_t i = 0; i < count; ++i) {
    const size_t row = first + i;
    for (size_t w = 0; w < n; ++w)
      lines_[row / block * n + w].words[row % block] = words[i * n + w];
  }
  rows_ += static_cast<int64_t>(count);
}

Signature SignatureTable::row(int64_t index) const {
  CHECK(index >= 0 && index < rows_);
  const size_t block = static_cast<size_t>(kSignatureBlock), at = static_cast<size_t>(index);
  Signature signature(bits_);
  for (size_t w = 0; w < words(); ++w)
    signature.words()[w] = lines_[at / block * words() + w].words[at % block];
  return signature;
}

// Calls visit(plane, first row, its counts, how many, worker) for every chunk of rows, plane after
// plane while it lies in the cache.
template <class Visit>
void SignatureTable::scan_chunks(std::span<const Signature> planes, ThreadPool* pool,
                                 const Visit& visit) const {
  for (const Signature& plane : planes)
    CHECK_EQ(plane.bits(), bits_);
  const auto kernel = kernels::chosen_table().signature.shared_bits;
  const auto words = static_cast<int64_t>(this->words());
  const auto chunk = [&](int64_t task, int worker) {
    std::array<uint32_t, kChunk> counts;
    const int64_t first = task * kChunk, count = std::min(kChunk, rows_ - first);
    for (size_t plane = 0; plane < planes.size(); ++plane) {
      kernel((count + kSignatureBlock - 1) / kSignatureBlock, words, planes[plane].words().data(),
             lines_.data()[first / kSignatureBlock * words].words, counts.data());
      visit(plane, first, counts.data(), count, worker);
    }
  };
  const int64_t tasks = (rows_ + kChunk - 1) / kChunk;
  if (pool != nullptr) {
    pool->parallel_for(tasks, chunk);
  } else {
    for (int64_t task = 0; task < tasks; ++task)
      chunk(task, 0);
  }
}

void SignatureTable::scan(const Signature& query, std::span<uint32_t> shared,
                          ThreadPool* pool) const {
  scan_planes({&query, 1}, shared, pool);
}

void SignatureTable::scan_planes(std::span<const Signature> planes, std::span<uint32_t> sums,
                                 ThreadPool* pool) const {
  CHECK_EQ(static_cast<int64_t>(sums.size()), rows_);
  scan_chunks(planes, pool,
              [&](size_t plane, int64_t first, const uint32_t* counts, int64_t count, int) {
                uint32_t* const to = sums.data() + first;
                if (plane == 0)
                  std::copy_n(counts, count, to);
                else
                  for (int64_t i = 0; i < count; ++i)
                    to[i] += counts[i] << plane;
              });
}

std::vector<SignatureMatch> SignatureTable::top(const Signature& query, size_t count,
                                                ThreadPool* pool) const {
  count = std::min(count, static_cast<size_t>(rows_));
  if (count == 0) return {};
  const int workers = pool == nullptr ? 1 : pool->size();
  std::vector<Best> best;
  best.reserve(static_cast<size_t>(workers));
  for (int i = 0; i < workers; ++i)
    best.emplace_back(count);
  scan_chunks({&query, 1}, pool,
              [&](size_t, int64_t first, const uint32_t* counts, int64_t n, int worker) {
                Best& mine = best[static_cast<size_t>(worker)];
                for (int64_t i = 0; i < n; ++i)
                  mine.offer({first + i, counts[i]});
              });
  std::vector<SignatureMatch> matches;
  for (const Best& b : best)
    matches.insert(matches.end(), b.kept().begin(), b.kept().end());
  std::partial_sort(matches.begin(), matches.begin() + static_cast<ptrdiff_t>(count), matches.end(),
                    better);
  matches.resize(count);
  return matches;
}

}  // namespace cllm::number
