// What a comparison of two things costs, side by side: the gcd of two integers, by Euclid and by
// shifts; AND and popcount on bit sets; the dot product of two float vectors. All from the first
// cache, one core, each checked before it is timed. Prints ns per pair, the best and the median of
// many rounds that take turns, and how many signatures a second are scanned from memory.
// Instruction set: CLLM_ISA. Usage: bench_signature [ROUNDS]   (default 200)
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "base/check.h"
#include "base/clock.h"
#include "base/philox.h"
#include "kernels/table.h"
#include "number/gcd.h"
#include "number/signature_table.h"
#include "threads/pool.h"
#include "threads/topology.h"

namespace cllm {
namespace {

using number::Signature;
using number::SignatureTable;

uint64_t random_word(uint64_t stream, uint64_t index) {
  const auto bits = Philox(1, RandomStream::kTest).bits(stream, index);
  return uint64_t{bits[0]} << 32 | bits[1];
}

// `count` elements from the start of a cache line on, for both sides alike.
template <class T>
std::shared_ptr<T[]> aligned(size_t count) {
  constexpr size_t kLine = 64;
  const size_t bytes = (count * sizeof(T) + kLine - 1) / kLine * kLine;
  return {static_cast<T*>(std::aligned_alloc(kLine, bytes)), std::free};
}

// Keeps a result alive without storing it.
template <class T>
void use(const T& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

using Dot = float (*)(int64_t n, const float* a, const float* b);

float dot_scalar(int64_t n, const float* a, const float* b) {
  float sum = 0;
  for (int64_t i = 0; i < n; ++i)
    sum += a[i] * b[i];
  return sum;
}

#if defined(__x86_64__)
// Four accumulators hide the latency of the FMAs. n is a multiple of 64.
__attribute__((target("avx2,fma"))) float dot_avx2(int64_t n, const float* a, const float* b) {
  __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  for (int64_t i = 0; i < n; i += 32) {
    s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
    s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
    s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
  }
  const __m256 s = _mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3));
  __m128 x = _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
  x = _mm_add_ps(x, _mm_movehl_ps(x, x));
  return _mm_cvtss_f32(_mm_add_ss(x, _mm_shuffle_ps(x, x, 1)));
}

__attribute__((target("avx512f"))) float dot_avx512(int64_t n, const float* a, const float* b) {
  __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
  for (int64_t i = 0; i < n; i += 64) {
    s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
    s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
    s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
    s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
  }
  return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}
#endif

Dot dot_of(const std::string& table) {
#if defined(__x86_64__)
  if (table.starts_with("avx512")) return dot_avx512;
  if (table == "avx2") return dot_avx2;
#endif
  return dot_scalar;
}

struct Case {
  std::string name;
  double items = 0;  // pairs per call
  std::function<void()> run;
  std::vector<double> seconds = {};
};

// Euclid and the binary form on `products`, pairs of products of 15 primes and of their subsets:
// the numbers whose sets the bit-set form compares.
void add_gcds(std::vector<Case>& cases) {
  constexpr size_t kCount = 512;
  const number::PrimeBase base(15);
  std::vector<uint64_t> numbers(kCount);
  for (size_t i = 0; i < kCount; ++i) {
    Signature set(15);
    set.words()[0] = random_word(1, i) & 0x7fff;
    numbers[i] = number::to_number(set, base).get_ui();
  }
  for (size_t i = 0; i + 1 < kCount; ++i)
    CHECK(number::euclid_gcd(numbers[i], numbers[i + 1]) ==
          number::binary_gcd(numbers[i], numbers[i + 1]));
  const auto add = [&](const char* name, auto gcd) {
    cases.push_back({name, kCount - 1, [numbers, gcd] {
                       for (size_t i = 0; i + 1 < numbers.size(); ++i)
                         use(gcd(numbers[i], numbers[i + 1]));
                     }});
  };
  add("gcd of integers, Euclid", [](uint64_t a, uint64_t b) { return number::euclid_gcd(a, b); });
  add("gcd of integers, binary", [](uint64_t a, uint64_t b) { return number::binary_gcd(a, b); });
}

// One set against many, as the scan does it.
void add_signatures(std::vector<Case>& cases, const kernels::Table& table, int64_t words,
                    int64_t rows, const std::string& name) {
  const int64_t blocks = rows / kernels::kSignatureBlock;
  const auto set_words = static_cast<size_t>(rows * words);
  const auto sets = aligned<uint64_t>(set_words);
  std::vector<uint64_t> query(static_cast<size_t>(words));
  for (size_t i = 0; i < set_words; ++i)
    sets[i] = random_word(2, i);
  for (size_t i = 0; i < query.size(); ++i)
    query[i] = random_word(3, i);
  std::vector<uint32_t> shared(static_cast<size_t>(rows));
  const auto kernel = table.signature.shared_bits;
  kernel(blocks, words, query.data(), sets.get(), shared.data());
  int expected = 0;
  for (int64_t w = 0; w < words; ++w)
    expected += std::popcount(query[static_cast<size_t>(w)] &
                              sets[static_cast<size_t>(w * kernels::kSignatureBlock + 5)]);
  CHECK_EQ(shared[5], static_cast<uint32_t>(expected));
  cases.push_back({name, static_cast<double>(rows),
                   [=, query = std::move(query), shared = std::move(shared)]() mutable {
                     kernel(blocks, words, query.data(), sets.get(), shared.data());
                     use(shared.data());
                   }});
}

// One vector against 16: at 384 floats they fill 26 KiB of the first cache.
void add_dot(std::vector<Case>& cases, const kernels::Table& table, int64_t n) {
  constexpr int64_t kVectors = 16;
  const auto count = static_cast<size_t>((kVectors + 1) * n);
  const auto x = aligned<float>(count);
  const Philox source(5, RandomStream::kTest);
  for (size_t i = 0; i < count; ++i)
    x[i] = static_cast<float>(source.normal(0, i));
  const Dot dot = dot_of(table.name);
  const double error =
      std::abs(double{dot(n, x.get(), x.get() + n)} - double{dot_scalar(n, x.get(), x.get() + n)});
  CHECK(error <= 1e-5 * static_cast<double>(n));  // n terms of size 1, rounded at 6e-8 each
  cases.push_back({fmt::format("dot of {} floats", n), kVectors, [=] {
                     for (int64_t i = 1; i <= kVectors; ++i)
                       use(dot(n, x.get(), x.get() + i * n));
                   }});
}

double timed(const std::function<void()>& run, int repeats) {
  const double begin = steady_seconds();
  for (int i = 0; i < repeats; ++i)
    run();
  return (steady_seconds() - begin) / repeats;
}

// So many calls that a round takes about 100 microseconds: long for the clock, short for the noise.
void measure(std::vector<Case>& cases, int rounds) {
  std::vector<int> repeats;
  for (Case& c : cases) {
    c.run();
    repeats.push_back(std::clamp(static_cast<int>(1e-4 / timed(c.run, 3)), 1, 100000));
  }
  for (int round = 0; round < rounds; ++round)
    for (size_t i = 0; i < cases.size(); ++i)
      cases[i].seconds.push_back(timed(cases[i].run, repeats[i]));
  for (Case& c : cases)
    std::sort(c.seconds.begin(), c.seconds.end());
}

void print_pairs(const std::vector<Case>& cases) {
  fmt::print("{:<44} {:>10} {:>10}\n", "ns per pair", "best", "median");
  for (const Case& c : cases)
    fmt::print("{:<44} {:>10.3f} {:>10.3f}\n", c.name, c.seconds.front() / c.items * 1e9,
               c.seconds[c.seconds.size() / 2] / c.items * 1e9);
}

// Whole tables, larger than the caches: the scan, and the ten best, on one and on all threads.
void add_tables(std::vector<Case>& cases, size_t bits, ThreadPool& pool) {
  const auto rows = static_cast<int64_t>((size_t{1} << 29) / bits);
  SignatureTable table(bits);
  std::vector<uint64_t> words(static_cast<size_t>(rows) * table.words());
  for (size_t i = 0; i < words.size(); ++i)
    words[i] = 0x9e3779b97f4a7c15u * (i + 1);  // any bits will do, and quickly
  table.add_rows(words);
  Signature query(bits);
  for (size_t w = 0; w < query.words().size(); ++w)
    query.words()[w] = random_word(4, w);
  for (ThreadPool* p : {static_cast<ThreadPool*>(nullptr), &pool})
    cases.push_back(
        {fmt::format("{} M signatures of {} bits, ten best, {} thread{}", rows / 1000000, bits,
                     p == nullptr ? 1 : p->size(), p == nullptr ? "" : "s"),
         static_cast<double>(rows),
         [table, query, p] { use(table.top(query, 10, p).front().row); }});
}

int run(int rounds) {
  const kernels::Table& table = kernels::chosen_table();
  fmt::print("{} kernels, {} rounds that take turns\n\n", table.name, rounds);
  std::vector<Case> pairs;
  add_gcds(pairs);
  add_signatures(pairs, table, 1, 2048, "AND + popcount of 64 bits");
  add_signatures(pairs, table, 8, 256, "AND + popcount of 512 bits");
  for (const int64_t n : {64, 128, 384})
    add_dot(pairs, table, n);
  measure(pairs, rounds);
  print_pairs(pairs);

  ThreadPool pool(choose_threads(0).count);
  std::vector<Case> scans;
  add_tables(scans, 64, pool);
  add_tables(scans, 512, pool);
  measure(scans, std::max(5, rounds / 10));
  fmt::print("\n{:<60} {:>8} {:>8}\n", "millions a second", "best", "median");
  for (const Case& c : scans)
    fmt::print("{:<60} {:>8.0f} {:>8.0f}\n", c.name, c.items / c.seconds.front() / 1e6,
               c.items / c.seconds[c.seconds.size() / 2] / 1e6);
  return 0;
}

}  // namespace
}  // namespace cllm

int main(int argc, char** argv) {
  return cllm::run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 200);
}
