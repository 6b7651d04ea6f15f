// Many signatures, laid out for scanning: how many primes each shares with a query, and which share
// the most. A filter: what passes is compared exactly by its user.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "number/signature.h"

namespace cllm {
class ThreadPool;
}

namespace cllm::number {

struct SignatureMatch {
  int64_t row = 0;
  uint32_t shared = 0;  // bits in common
  bool operator==(const SignatureMatch&) const = default;
};

// Owns its rows. Scans may run at once on several threads, each with its own pool or none.
class SignatureTable {
 public:
  // Rows of `bits` bits, 1 <= bits < 2^31; else Error (kUsage).
  explicit SignatureTable(size_t bits);

  size_t bits() const { return bits_; }
  int64_t rows() const { return rows_; }
  // Appends a row. signature.bits() == bits().
  void add(const Signature& signature);
  // Appends `rows` rows of words() words each; bits at and beyond bits() must be 0.
  void add_rows(std::span<const uint64_t> words);
  size_t words() const { return (bits_ + 63) / 64; }
  Signature row(int64_t index) const;

  // shared [rows()] = shared_weight(query, row). About the speed of memory. pool: null for the
  // calling thread alone.
  void scan(const Signature& query, std::span<uint32_t> shared, ThreadPool* pool = nullptr) const;
  // sums [rows()] = the sum over k of 2^k shared_weight(planes[k], row), for a query of small
  // integers given by its bits: plane k holds bit k of all. Each row is read from memory once. The
  // number of planes times bits() must stay below 2^32.
  void scan_planes(std::span<const Signature> planes, std::span<uint32_t> sums,
                   ThreadPool* pool = nullptr) const;
  // The `count` rows that share the most bits with the query, most first, equals by row; all rows
  // if there are fewer. The same for any number of threads.
  std::vector<SignatureMatch> top(const Signature& query, size_t count,
                                  ThreadPool* pool = nullptr) const;

 private:
  template <class Visit>
  void scan_chunks(std::span<const Signature> planes, ThreadPool* pool, const Visit& visit) const;

  // One word of each of eight rows: a cache line, so that no load of a scan straddles two.
  struct alignas(64) Line {
    uint64_t words[8] = {};
  };

  size_t bits_;
  int64_t rows_ = 0;
  std::vector<Line> lines_;  // the blocks of kernels/signature.h, words() lines each, then zeros
};

}  // namespace cllm::number
