// How fast the classical lattices are decoded: points per second on one core, best of many rounds
// over 16,384 random points, for the instruction set that CLLM_ISA names or the fastest one.
// Usage: bench_decode [ROUNDS]   (default 20)
#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include "base/clock.h"
#include "base/philox.h"
#include "kernels/table.h"
#include "lattice/decode.h"

namespace cllm::lattice {
namespace {

constexpr size_t kPoints = 16384;

double points_per_second(Classical lattice, int rounds) {
  const Philox random(1, RandomStream::kTest);
  std::vector<double> targets(facts(lattice).dimension * kPoints), distances(kPoints);
  for (size_t i = 0; i < targets.size(); ++i)
    targets[i] = 20 * (2 * random.uniform(0, i) - 1);
  std::vector<int64_t> points(targets.size());
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const double begin = steady_seconds();
    decode(lattice, targets, kPoints, points, distances);
    best = std::max(best, kPoints / (steady_seconds() - begin));
  }
  return best;
}

}  // namespace
}  // namespace cllm::lattice

int main(int argc, char** argv) {
  using namespace cllm::lattice;
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 20;
  fmt::print("{}, points per second on one core, best of {} rounds\n",
             cllm::kernels::chosen_table().name, rounds);
  for (const Classical lattice : kAllClassical)
    fmt::print("{:<6} {:>12.0f}\n", facts(lattice).name, points_per_second(lattice, rounds));
  return 0;
}
