#include "crystal/ngram_prior_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "crystal/ngram_prior.h"
#include "formats/safetensors.h"
#include "formats/safetensors_writer.h"
#include "model/config.h"

namespace cllm {
namespace {

constexpr DType kNumber = DType::kU32;  // of counts, and of tokens, which are not negative

std::string name_of(size_t level, const char* part) {
  return fmt::format("level.{}.{}", level, part);
}

template <class T>
void add(SafetensorsWriter& writer, const std::string& name, const std::vector<T>& list) {
  static_assert(sizeof(T) == sizeof(uint32_t));
  writer.add(name, kNumber, {std::ssize(list)}, list.data());
}

[[noreturn]] void refuse(const std::string& path, const std::string& what) {
  throw Error(ErrorKind::kData, path, what, "restore the file, or use another checkpoint");
}

// The parts of a file, each of them checked.
class Reader {
 public:
  Reader(const fs::path& path, int64_t V) : file_(path), V_(V) {}

  template <class T>
  T number(const char* name, DType dtype) const {
    const StoredTensor* tensor = file_.find(name);
    if (tensor == nullptr || tensor->dtype != dtype || tensor->elements != 1) damaged(name);
    T value;
    std::memcpy(&value, tensor->data, sizeof value);
    return value;
  }

  NgramLevel level(size_t length, size_t contexts, bool last) const {
    NgramLevel result;
    result.grams = rows(name_of(length, "grams"), contexts);
    result.counts = list<uint32_t>(name_of(length, "counts"));
    if (result.counts.size() != result.grams.tokens.size() ||
        std::ranges::count(result.counts, 0u) > 0)
      damaged(name_of(length, "counts"));
    require_followers(length, result);
    if (!last) result.longer = rows(name_of(length, "longer"), contexts);
    return result;
  }

  [[noreturn]] void damaged(const std::string& name) const {
    refuse(file_.path(), fmt::format("{} is damaged", name));
  }

 private:
  template <class T>
  std::vector<T> list(const std::string& name) const {
    const StoredTensor* tensor = file_.find(name);
    if (tensor == nullptr || tensor->dtype != kNumber || tensor->shape.size() != 1) damaged(name);
    std::vector<T> values(tensor->elements);
    if (!values.empty()) std::memcpy(values.data(), tensor->data, tensor->bytes);
    return values;
  }

  // Something follows every context, as often in all as a total can hold.
  void require_followers(size_t length, const NgramLevel& level) const {
    for (int64_t row = 0; row < level.grams.rows(); ++row) {
      uint64_t total = 0;
      for (uint32_t i = level.grams.begin[static_cast<size_t>(row)];
           i < level.grams.begin[static_cast<size_t>(row) + 1]; ++i)
        total += level.counts[i];
      if (total == 0 || total > std::numeric_limits<uint32_t>::max())
        damaged(name_of(length, "counts"));
    }
  }

  TokenRows rows(const std::string& name, size_t count) const {
    TokenRows result{list<uint32_t>(name + ".begin"), list<Token>(name + ".tokens")};
    const std::vector<uint32_t>& begin = result.begin;
    const std::vector<Token>& tokens = result.tokens;
    if (begin.size() != count + 1 || begin.front() != 0 || begin.back() != tokens.size() ||
        !std::ranges::is_sorted(begin))
      damaged(name + ".begin");
    for (size_t row = 0; row < count; ++row)
      for (uint32_t i = begin[row]; i < begin[row + 1]; ++i)
        if (tokens[i] < 0 || tokens[i] >= V_ || (i > begin[row] && tokens[i - 1] >= tokens[i]))
          damaged(name + ".tokens");
    return result;
  }

  SafetensorsFile file_;
  int64_t V_;
};

// What has followed a context has followed the shorter one; NgramPrior walks by it.
bool nested(const NgramLevel& shorter, const NgramLevel& level) {
  for (uint32_t row = 0; row < shorter.longer.rows(); ++row)
    for (uint32_t context = shorter.longer.begin[row]; context < shorter.longer.begin[row + 1];
         ++context)
      for (uint32_t i = level.grams.begin[context]; i < level.grams.begin[context + 1]; ++i)
        if (!shorter.grams.find(row, level.grams.tokens[i])) return false;
  return true;
}

}  // namespace

void write_prior_file(const NgramPrior& prior, const fs::path& folder) {
  const std::vector<NgramLevel>& levels = prior.counts().levels;
  const int64_t sizes[] = {prior.vocabulary_size(), std::ssize(levels)};
  const uint64_t hash = prior.text_hash();
  SafetensorsWriter writer;
  writer.add("vocabulary_size", DType::kI64, {1}, &sizes[0]);
  writer.add("levels", DType::kI64, {1}, &sizes[1]);
  writer.add("text_hash", DType::kU64, {1}, &hash);
  for (size_t length = 0; length < levels.size(); ++length) {
    const NgramLevel& level = levels[length];
    add(writer, name_of(length, "grams.begin"), level.grams.begin);
    add(writer, name_of(length, "grams.tokens"), level.grams.tokens);
    add(writer, name_of(length, "counts"), level.counts);
    if (length + 1 == levels.size()) continue;
    add(writer, name_of(length, "longer.begin"), level.longer.begin);
    add(writer, name_of(length, "longer.tokens"), level.longer.tokens);
  }
  writer.write(folder / kPriorFile);
}

StoredPrior read_prior_file(const fs::path& folder, const ModelConfig& config) {
  const fs::path path = folder / kPriorFile;
  if (!fs::exists(path)) refuse(path.string(), "is missing: the model adds to what it holds");
  const Reader reader(path, config.vocabulary_size);
  StoredPrior stored;
  stored.text_hash = reader.number<uint64_t>("text_hash", DType::kU64);
  stored.counts.vocabulary_size = reader.number<int64_t>("vocabulary_size", DType::kI64);
  const auto levels = reader.number<int64_t>("levels", DType::kI64);
  if (stored.counts.vocabulary_size != config.vocabulary_size || levels < 1 ||
      levels > config.prior_order)
    refuse(path.string(), fmt::format("has n-grams of up to {} tokens of a vocabulary of {}, the "
                                      "model is of {} and {}",
                                      levels, stored.counts.vocabulary_size, config.prior_order,
                                      config.vocabulary_size));
  size_t contexts = 1;
  for (size_t length = 0; length < static_cast<size_t>(levels); ++length) {
    std::vector<NgramLevel>& done = stored.counts.levels;
    const bool last = length + 1 == static_cast<size_t>(levels);
    done.push_back(reader.level(length, contexts, last));
    if (length > 0 && !nested(done[length - 1], done[length]))
      reader.damaged(name_of(length, "grams"));
    if (!last) contexts = done.back().longer.tokens.size();
  }
  return stored;
}

std::shared_ptr<const LogitPrior> read_ngram_prior(const fs::path& folder,
                                                   const ModelConfig& config) {
  StoredPrior stored = read_prior_file(folder, config);
  return std::make_shared<NgramPrior>(std::move(stored.counts), stored.text_hash, false);
}

}  // namespace cllm
