#include "nn/code_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "base/check.h"

namespace cllm::nn {

std::string CodeTable::fault(int64_t rows, std::span<const int32_t> offsets,
                             std::span<const int32_t> pieces) {
  if (offsets.size() < 2 || offsets.front() != 0 ||
      offsets.back() != static_cast<int64_t>(pieces.size()))
    return fmt::format("{} offsets do not cover {} pieces", offsets.size(), pieces.size());
  for (size_t token = 0; token + 1 < offsets.size(); ++token) {
    const int64_t begin = offsets[token], end = offsets[token + 1];
    if (begin >= end || end > static_cast<int64_t>(pieces.size()))
      return fmt::format("token {} has no pieces", token);
    const auto own = pieces.subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
    if (std::ranges::adjacent_find(own, std::greater_equal<>()) != own.end())
      return fmt::format("the pieces of token {} do not ascend", token);
    if (own.front() < 0 || own.back() >= rows)
      return fmt::format("a piece of token {} is not one of {} rows", token, rows);
  }
  return "";
}

CodeTable::CodeTable(int64_t rows, std::vector<int32_t> offsets, std::vector<int32_t> pieces)
    : rows_(rows), offsets_(std::move(offsets)), pieces_(std::move(pieces)) {
  const std::string wrong = fault(rows_, offsets_, pieces_);
  CHECK_MSG(wrong.empty(), "{}", wrong);
  for (size_t token = 0; token + 1 < offsets_.size(); ++token) {
    const int64_t count = offsets_[token + 1] - offsets_[token];
    most_ = std::max(most_, count);
    scales_.push_back(static_cast<float>(1 / std::sqrt(static_cast<double>(count))));
  }
}

std::span<const int32_t> CodeTable::of(int64_t token) const {
  const auto t = static_cast<size_t>(token);
  CHECK_MSG(t < scales_.size(), "token {} of {}", token, scales_.size());
  return std::span(pieces_).subspan(static_cast<size_t>(offsets_[t]),
                                    static_cast<size_t>(offsets_[t + 1] - offsets_[t]));
}

ops::Codes CodeTable::matrix() const {
  return {.V = tokens(),
          .K = rows_,
          .offsets = offsets_.data(),
          .pieces = pieces_.data(),
          .scales = scales_.data(),
          .most = most_};
}

}  // namespace cllm::nn
