#include "lattice/decode.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/philox.h"
#include "lattice/decode_steps.h"

namespace cllm::lattice {
namespace {

bool is_decodable(double x) {
  return std::abs(x) <= kLargestCoordinate;
}

void require_decodable(std::span<const double> targets) {
  // Counted first: without a way out of the loop it takes a fraction of the time.
  size_t good = 0;
  for (const double x : targets)
    good += is_decodable(x);
  if (good == targets.size()) return;
  const double bad = *std::ranges::find_if_not(targets, is_decodable);
  throw Error(ErrorKind::kData, "target",
              std::isfinite(bad) ? fmt::format("coordinate {:.3g} is too large to decode", bad)
                                 : "a coordinate is not a finite number",
              "coordinates up to 1e15 in units of the lattice's integers can be decoded");
}

class Decoder {
 public:
  explicit Decoder(Classical lattice) {
    if (lattice == Classical::kLeech)
      leech_.emplace();
    else
      classes_.emplace(lattice);
  }

  // The first `lanes` targets of the block; all must be numbers.
  void run(DecodeBlock& block, size_t lanes) {
    if (classes_) {
      classes_->decode(block);
      return;
    }
    for (size_t lane = 0; lane < lanes; ++lane)
      leech_->decode(block, lane);
  }

 private:
  std::optional<ClassDecoder> classes_;
  std::optional<LeechDecoder> leech_;
};

}  // namespace

void decode(Classical lattice, std::span<const double> targets, size_t count,
            std::span<int64_t> points, std::span<double> distances2) {
  const size_t dimension = facts(lattice).dimension;
  CHECK(targets.size() == dimension * count && points.size() == targets.size());
  CHECK(distances2.empty() || distances2.size() == count);
  require_decodable(targets);
  Decoder decoder(lattice);
  DecodeBlock block{};
  for (size_t first = 0; first < count; first += kBlock) {
    const size_t lanes = std::min(kBlock, count - first);
    for (size_t i = 0; i < dimension; ++i)
      std::copy_n(targets.begin() + static_cast<ptrdiff_t>(i * count + first), lanes,
                  block.target[i]);
    decoder.run(block, lanes);
    for (size_t i = 0; i < dimension; ++i)
      for (size_t lane = 0; lane < lanes; ++lane)
        points[i * count + first + lane] = static_cast<int64_t>(block.point[i][lane]);
    for (size_t lane = 0; lane < lanes && !distances2.empty(); ++lane)
      distances2[first + lane] = block.distance2[lane] / norm_divisor(lattice);
  }
}

double decode_one(Classical lattice, std::span<const double> target, std::span<int64_t> point) {
  double distance2 = 0;
  decode(lattice, target, 1, point, {&distance2, 1});
  return distance2;
}

SecondMoment measure_second_moment(Classical lattice, uint64_t samples, uint64_t seed) {
  CHECK(samples >= 2);
  const ClassicalFacts& fact = facts(lattice);
  const Philox random(seed, RandomStream::kSample);
  // 2 q Z^n is a part of every lattice here, so a uniform point of its cell is a uniform point of
  // the lattice's cell once decoded.
  const double period = 2 * fact.modulus;
  Decoder decoder(lattice);
  DecodeBlock block{};
  double sum = 0, squares = 0;
  for (uint64_t first = 0; first < samples; first += kBlock) {
    const size_t lanes = static_cast<size_t>(std::min<uint64_t>(kBlock, samples - first));
    for (size_t lane = 0; lane < lanes; ++lane)
      for (size_t i = 0; i < fact.dimension; ++i)
        block.target[i][lane] = period * random.uniform(i, first + lane);
    decoder.run(block, lanes);
    for (size_t lane = 0; lane < lanes; ++lane) {
      sum += block.distance2[lane];
      squares += block.distance2[lane] * block.distance2[lane];
    }
  }
  const auto n = static_cast<double>(fact.dimension), count = static_cast<double>(samples);
  const double unit = norm_divisor(lattice) * n * std::pow(fact.volume, 2 / n);
  const double mean = sum / count, variance = (squares / count - mean * mean) / (count - 1);
  return {mean / unit, std::sqrt(variance) / unit};
}

}  // namespace cllm::lattice
