#include "lattice/reduce.h"

#include <fplll/fplll.h>

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/error.h"
#include "lattice/exact_linear.h"

namespace cllm::lattice {
namespace {

using ForeignMatrix = fplll::ZZ_mat<mpz_t>;
using ForeignInteger = fplll::Z_NR<mpz_t>;

// Guards fplll's process-wide precision, not state of ours.
std::mutex& fplll_mutex() {
  static std::mutex mutex;
  return mutex;
}

ForeignMatrix to_foreign(const IntegerMatrix& matrix) {
  ForeignMatrix result(static_cast<int>(matrix.rows()), static_cast<int>(matrix.columns()));
  for (int i = 0; i < result.get_rows(); ++i)
    for (int j = 0; j < result.get_cols(); ++j)
      mpz_set(result(i, j).get_data(),
              matrix(static_cast<size_t>(i), static_cast<size_t>(j)).get_mpz_t());
  return result;
}

IntegerMatrix from_foreign(const ForeignMatrix& matrix) {
  IntegerMatrix result(static_cast<size_t>(matrix.get_rows()),
                       static_cast<size_t>(matrix.get_cols()));
  for (int i = 0; i < matrix.get_rows(); ++i)
    for (int j = 0; j < matrix.get_cols(); ++j)
      result(static_cast<size_t>(i), static_cast<size_t>(j)) = mpz_class(matrix(i, j).get_data());
  return result;
}

void require_success(int status) {
  if (status == fplll::RED_SUCCESS) return;
  const bool known = status > 0 && status < fplll::RED_URL_ERR;
  throw Error(ErrorKind::kRuntime, "fplll",
              known ? fplll::RED_STATUS_STR[status] : "failed for an unknown reason",
              "try a smaller delta or a larger eta");
}

void check_options(const ReduceOptions& options) {
  if (!(options.delta > 0.25 && options.delta < 1))
    throw Error(ErrorKind::kUsage, "delta",
                fmt::format("{} is not between 0.25 and 1", options.delta), "0.99 is usual");
  if (!(options.eta > 0.5 && options.eta < std::sqrt(options.delta)))
    throw Error(ErrorKind::kUsage, "eta",
                fmt::format("{} is not between 0.5 and sqrt(delta) = {:.4g}", options.eta,
                            std::sqrt(options.delta)),
                "0.51 is usual");
  if (options.block_size != 0 && options.block_size < 2)
    throw Error(ErrorKind::kUsage, "block size", fmt::format("{} is below 2", options.block_size),
                "20 to 30 is usual; 0 means LLL");
  if (options.tours < 0)
    throw Error(ErrorKind::kUsage, "tours", fmt::format("{} is negative", options.tours),
                "0 means until nothing changes");
}

// Rows that follow one another are reduced together with all before them, a few at a time, so that
// the watch is asked in between.
class Reduction {
 public:
  Reduction(const IntegerMatrix& basis, const ReduceOptions& options, const SearchWatch& watch)
      : options_(options), watch_(watch), basis_(to_foreign(basis)) {
    if (options.transform) transform_.gen_identity(basis_.get_rows());
  }

  void lll() {
    constexpr int kWatchedRows = 32, kStep = 16;
    const int rows = basis_.get_rows();
    const bool whole = !watch_ || rows <= kWatchedRows;
    for (int end = whole ? rows : kStep;; end = std::min(rows, end + kStep)) {
      report("LLL", static_cast<uint64_t>(end), static_cast<uint64_t>(rows));
      if (end == rows) break;
      ForeignMatrix head(end, basis_.get_cols());
      copy_rows(basis_, head);
      lll_of(head);
      copy_rows(head, basis_);
    }
    lll_of(basis_);
  }

  void bkz() {
    const int rows = basis_.get_rows();
    const int block = static_cast<int>(std::min<int64_t>(options_.block_size, rows));
    std::vector<fplll::Strategy> strategies;
    const fplll::BKZParam parameters(block, strategies, options_.delta);
    fplll::MatGSO<ForeignInteger, fplll::FP_NR<double>> gso(basis_, transform_, unused_,
                                                            fplll::GSO_ROW_EXPO);
    fplll::LLLReduction<ForeignInteger, fplll::FP_NR<double>> lll(gso, options_.delta, options_.eta,
                                                                  fplll::LLL_DEFAULT);
    gso.discover_all_rows();
    fplll::BKZReduction<ForeignInteger, fplll::FP_NR<double>> bkz(gso, lll, parameters);
    bool clean = false;
    uint64_t blocks = 0;
    for (int64_t tour = 0; !clean && (options_.tours == 0 || tour < options_.tours); ++tour) {
      clean = true;
      for (int first = 0; first < rows - 1; ++first) {
        report("BKZ", ++blocks, 0);
        clean &= unless_failed(
            [&] { return bkz.svp_reduction(first, std::min(block, rows - first), parameters); });
      }
    }
    // The promise of a BKZ basis is that it is LLL-reduced too; proved as LLL's own is.
    lll_of(basis_);
  }

  Reduced result() const {
    Reduced reduced{from_foreign(basis_), {}};
    if (options_.transform) reduced.transform = from_foreign(transform_);
    return reduced;
  }

 private:
  void lll_of(ForeignMatrix& matrix) {
    if (!options_.transform) {
      require_success(fplll::lll_reduction(matrix, options_.delta, options_.eta));
      return;
    }
    // fplll wants to start from the identity; the rows behind the matrix stay as they are.
    ForeignMatrix step, whole;
    step.gen_identity(matrix.get_rows());
    require_success(fplll::lll_reduction(matrix, step, options_.delta, options_.eta));
    whole.gen_identity(basis_.get_rows());
    copy_rows(step, whole);
    transform_ = to_foreign(product(from_foreign(whole), from_foreign(transform_)));
  }

  // fplll's BKZ throws the status of an LLL that failed inside.
  template <class Call>
  static bool unless_failed(Call&& call) {
    try {
      return call();
    } catch (const int status) {
      require_success(status);
      return true;
    }
  }

  static void copy_rows(const ForeignMatrix& from, ForeignMatrix& to) {
    const int rows = std::min(from.get_rows(), to.get_rows());
    for (int i = 0; i < rows; ++i)
      for (int j = 0; j < from.get_cols(); ++j)
        to(i, j) = from(i, j);
  }

  void report(const char* phase, uint64_t done, uint64_t total) const {
    if (watch_) watch_({.phase = phase, .done = done, .total = total});
  }

  const ReduceOptions& options_;
  const SearchWatch& watch_;
  ForeignMatrix basis_, transform_, unused_;
};

}  // namespace

Reduced reduce(const IntegerMatrix& basis, const ReduceOptions& options, const SearchWatch& watch) {
  check_options(options);
  require_independent_rows(basis, "basis");
  if (const size_t bits = longest_entry_bits(basis); bits > kLongestEntryBits)
    throw Error(
        ErrorKind::kData, "basis",
        fmt::format("an entry has {} bits; at most {} can be reduced", bits, kLongestEntryBits),
        "scale the basis down");
  const std::lock_guard lock(fplll_mutex());
  Reduction reduction(basis, options, watch);
  reduction.lll();
  if (options.block_size > 0 && basis.rows() > 1) reduction.bkz();
  return reduction.result();
}

RealReduced reduce_real(const RealMatrix& basis, int bits, const ReduceOptions& options) {
  double longest = 0;
  for (const double x : basis.elements()) {
    if (!std::isfinite(x))
      throw Error(ErrorKind::kData, "basis", "an entry is not finite", "check what made it");
    longest = std::max(longest, std::abs(x));
  }
  IntegerMatrix integers(basis.rows(), basis.columns());
  const int shift = longest > 0 ? bits - std::ilogb(longest) : 0;
  for (size_t i = 0; i < basis.rows(); ++i)
    for (size_t j = 0; j < basis.columns(); ++j)
      integers(i, j) = std::nearbyint(std::ldexp(basis(i, j), shift));
  ReduceOptions with_transform = options;
  with_transform.transform = true;
  IntegerMatrix transform = reduce(integers, with_transform).transform;
  RealReduced result{RealMatrix(basis.rows(), basis.columns()), std::move(transform)};
  for (size_t i = 0; i < basis.rows(); ++i)
    for (size_t k = 0; k < basis.rows(); ++k) {
      const double factor = result.transform(i, k).get_d();
      for (size_t j = 0; factor != 0 && j < basis.columns(); ++j)
        result.basis(i, j) += factor * basis(k, j);
    }
  return result;
}

}  // namespace cllm::lattice
