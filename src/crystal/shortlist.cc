#include "crystal/shortlist.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/error.h"

namespace cllm {
namespace {

constexpr uint64_t kSeed = 0x53484f52544c4953;  // any
constexpr int64_t kRows = 1024;                 // of the head at a time
constexpr int64_t kScores = 4096;               // of a task
// One score in so many is looked at to guess where the best begin.
constexpr int64_t kSample = 16;
// Above any |y|^2 / |y|_1 of a model that works; keeps scores from becoming not-a-number.
constexpr float kLargestFactor = 1e30F;

// The matrix of some of the rows.
ops::DecodeMatrix slice(const ops::DecodeMatrix& matrix, int64_t first, int64_t rows) {
  ops::DecodeMatrix part = matrix;
  part.data = matrix.row(first);
  if (matrix.scale != nullptr) part.scale = matrix.scale + first;
  part.out = rows;
  return part;
}

// Calls visit(rows [count, C] as fp32) for the first `vocabulary` rows in order.
template <class Visit>
void for_each_rows(const ops::Context& context, const ops::DecodeMatrix& head, int64_t vocabulary,
                   const Visit& visit) {
  std::vector<float> rows(static_cast<size_t>(std::min(kRows, vocabulary) * head.in));
  for (int64_t first = 0; first < vocabulary; first += kRows) {
    const int64_t count = std::min(kRows, vocabulary - first);
    ops::expand(context, slice(head, first, count), rows.data());
    visit(std::span(rows).first(static_cast<size_t>(count * head.in)));
  }
}

std::vector<float> mean_row(const ops::Context& context, const ops::DecodeMatrix& head,
                            int64_t vocabulary) {
  const auto C = static_cast<size_t>(head.in);
  std::vector<double> sum(C);
  for_each_rows(context, head, vocabulary, [&](std::span<float> rows) {
    for (size_t first = 0; first < rows.size(); first += C)
      for (size_t c = 0; c < C; ++c)
        sum[c] += static_cast<double>(rows[first + c]);
  });
  std::vector<float> mean(C);
  for (size_t c = 0; c < C; ++c)
    mean[c] = static_cast<float>(sum[c] / static_cast<double>(vocabulary));
  return mean;
}

const ShortlistOptions& validated(const ShortlistOptions& options) {
  options.validate();
  return options;
}

std::vector<RandomRotation> make_rotations(int64_t width, int64_t bits) {
  std::vector<RandomRotation> rotations;
  for (int64_t done = 0; done < bits; done += width)
    rotations.emplace_back(static_cast<size_t>(width), kSeed + rotations.size());
  return rotations;
}

}  // namespace

void ShortlistOptions::validate() const {
  if (candidates < 1)
    throw Error(ErrorKind::kUsage, "shortlist", fmt::format("of {} tokens", candidates),
                "choose at least 1");
  if (bits < 64 || bits > 4096 || bits % 64 != 0)
    throw Error(ErrorKind::kUsage, "shortlist_bits", fmt::format("{} bits", bits),
                "choose a multiple of 64 from 64 to 4096");
  if (query_bits < 1 || query_bits > 8)
    throw Error(ErrorKind::kUsage, "shortlist_query_bits", fmt::format("{} bits", query_bits),
                "choose 1 to 8");
}

void require_shortlist_model(const Transformer& model, const std::string& where,
                             const std::string& hint) {
  if (!model.head().has_rows())
    throw Error(ErrorKind::kUsage, where,
                "the head of this model has no row of its own for every token", hint);
  if (model.prior() != nullptr)
    throw Error(ErrorKind::kUsage, where,
                "this model adds its logits to a prior, which is that of all tokens", hint);
}

Shortlist::Shortlist(const ops::Context& context, const ops::DecodeMatrix& head, int64_t vocabulary,
                     const ShortlistOptions& options)
    : context_(context),
      options_(validated(options)),
      width_(head.in),
      count_(std::min(options.candidates, vocabulary)),
      rotations_(make_rotations(head.in, options.bits)),
      table_(static_cast<size_t>(options.bits)),
      rotated_(static_cast<size_t>(head.in)),
      projection_(static_cast<size_t>(options.bits)),
      planes_(static_cast<size_t>(options.query_bits),
              number::Signature(static_cast<size_t>(options.bits))),
      sums_(static_cast<size_t>(vocabulary)),
      scores_(static_cast<size_t>(vocabulary)) {
  CHECK_MSG(vocabulary >= 1 && vocabulary <= head.out, "{} of {} rows", vocabulary, head.out);
  factors_.reserve(static_cast<size_t>(vocabulary));
  weights_.reserve(static_cast<size_t>(vocabulary));
  best_.reserve(static_cast<size_t>(vocabulary));
  chosen_.resize(static_cast<size_t>(count_));
  const std::vector<float> mean = mean_row(context, head, vocabulary);
  for_each_rows(context, head, vocabulary, [&](std::span<float> rows) {
    for (size_t i = 0; i < rows.size(); ++i)
      rows[i] -= mean[i % mean.size()];
    add_rows(rows);
  });
}

int64_t Shortlist::plan_bytes(int64_t vocabulary, const ShortlistOptions& options) {
  const auto per_token = static_cast<int64_t>(sizeof(float) + sizeof(int32_t) + sizeof(uint32_t) +
                                              sizeof(float) + sizeof(Scored));
  return vocabulary * (options.bits / 8 + per_token);
}

// rows [count, C], less the mean.
void Shortlist::add_rows(std::span<const float> rows) {
  const auto C = static_cast<size_t>(width_), bits = static_cast<size_t>(options_.bits);
  const size_t count = rows.size() / C, words = table_.words();
  std::vector<uint64_t> signatures(count * words);
  std::vector<double> squares(count), magnitudes(count);
  std::vector<float> y;
  for (size_t r = 0; r < rotations_.size(); ++r) {
    const size_t first = r * C, taken = std::min(C, bits - first);
    y.assign(rows.begin(), rows.end());
    rotations_[r].apply(y, context_.pool);
    context_.pool.parallel_for(static_cast<int64_t>(count), [&](int64_t task, int) {
      const auto row = static_cast<size_t>(task);
      for (size_t j = 0; j < taken; ++j) {
        const double value = static_cast<double>(y[row * C + j]);
        squares[row] += value * value;
        magnitudes[row] += std::abs(value);
        const size_t bit = first + j;
        if (value > 0) signatures[row * words + bit / 64] |= uint64_t{1} << (bit % 64);
      }
    });
  }
  for (size_t row = 0; row < count; ++row) {
    const auto factor = static_cast<float>(squares[row] / magnitudes[row]);
    // A row of zeros has none; one with a not-a-number shows in its logit, if it is chosen.
    factors_.push_back(std::isfinite(factor) ? std::min(factor, kLargestFactor) : 0);
    int32_t weight = 0;
    for (size_t w = 0; w < words; ++w)
      weight += std::popcount(signatures[row * words + w]);
    weights_.push_back(weight);
  }
  table_.add_rows(signatures);
}

// The query's planes: integer u of a projection z stands for (2 u - largest) steps / 2.
void Shortlist::project(std::span<const float> hidden) {
  std::vector<float>& z = projection_;
  float most = 0;
  for (size_t r = 0; r < rotations_.size(); ++r) {
    std::ranges::copy(hidden, rotated_.begin());
    rotations_[r].apply(rotated_, context_.pool);
    const size_t first = r * hidden.size(), taken = std::min(hidden.size(), z.size() - first);
    std::copy_n(rotated_.begin(), taken, z.begin() + static_cast<ptrdiff_t>(first));
  }
  for (const float value : z)
    most = std::max(most, std::abs(value));
  for (number::Signature& plane : planes_)
    std::ranges::fill(plane.words(), uint64_t{0});
  const auto half = static_cast<float>(1 << (options_.query_bits - 1));
  const int64_t largest = (int64_t{1} << options_.query_bits) - 1;
  query_sum_ = 0;
  for (size_t j = 0; j < z.size(); ++j) {
    // Not a number shows in every logit; here it is 0.
    const float level = std::isfinite(most) && most > 0 ? std::floor(z[j] / most * half) : 0;
    const auto u = std::clamp<int64_t>(
        static_cast<int64_t>(std::isfinite(level) ? level + half : half), 0, largest);
    query_sum_ += 2 * u - largest;
    for (size_t k = 0; k < planes_.size(); ++k)
      if (((u >> k) & 1) != 0) planes_[k].insert(j);
  }
}

// The sum over j of (2 u_j - largest) sign_j, sign_j = 2 bit_j - 1, from sums of u_j bit_j.
void Shortlist::score_rows() {
  const auto V = static_cast<int64_t>(scores_.size());
  const auto twice_largest = static_cast<int32_t>(2 * ((int64_t{1} << options_.query_bits) - 1));
  const auto query_sum = static_cast<int32_t>(query_sum_);
  table_.scan_planes(planes_, sums_, &context_.pool);
  context_.pool.parallel_for((V + kScores - 1) / kScores, [&](int64_t task, int) {
    const auto first = static_cast<size_t>(task * kScores);
    const size_t last = std::min(first + static_cast<size_t>(kScores), scores_.size());
    for (size_t v = first; v < last; ++v) {
      const auto sum = static_cast<int32_t>(4 * sums_[v]);
      scores_[v] = factors_[v] * static_cast<float>(sum - twice_largest * weights_[v] - query_sum);
    }
  });
}

// best_ = the best count_, in any order: those above a guessed score, which a sample gives, or all
// if these are too few.
void Shortlist::keep_best() {
  const auto better = [](const Scored& a, const Scored& b) {
    return a.score != b.score ? a.score > b.score : a.token < b.token;
  };
  const auto V = static_cast<int64_t>(scores_.size());
  const auto collect = [&](float least) {
    best_.clear();
    for (int64_t v = 0; v < V; ++v)
      if (const float score = scores_[static_cast<size_t>(v)]; score >= least)
        best_.push_back({score, static_cast<int32_t>(v)});
  };
  const auto keep = [&](int64_t count) {
    std::nth_element(best_.begin(), best_.begin() + static_cast<ptrdiff_t>(count - 1), best_.end(),
                     better);
  };
  const int64_t rank = count_ * 3 / (2 * kSample) + 8;
  if (rank < V / kSample) {
    best_.clear();
    for (int64_t v = 0; v < V; v += kSample)
      best_.push_back({scores_[static_cast<size_t>(v)], static_cast<int32_t>(v)});
    keep(rank);
    collect(best_[static_cast<size_t>(rank - 1)].score);
  }
  if (std::ssize(best_) < count_ || rank >= V / kSample)
    collect(-std::numeric_limits<float>::infinity());
  keep(count_);
}

std::span<const int32_t> Shortlist::select(std::span<const float> hidden) {
  CHECK_EQ(std::ssize(hidden), width_);
  project(hidden);
  score_rows();
  keep_best();
  for (size_t i = 0; i < chosen_.size(); ++i)
    chosen_[i] = best_[i].token;
  std::ranges::sort(chosen_);
  return chosen_;
}

}  // namespace cllm
