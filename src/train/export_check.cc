#include "train/export_check.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "crystal/plain_model.h"
#include "model/model_folder.h"
#include "model/session.h"
#include "train/calibration.h"

namespace cllm {
namespace {

constexpr int64_t kCheckedTokens = 4096;

[[noreturn]] void differs(const std::string& what) {
  throw Error(ErrorKind::kRuntime, "export", what,
              "nothing was written; try again, and report it if it stays");
}

// By id of one tokenizer, the id in the other of what stands for the same.
std::vector<Token> matched_ids(const Tokenizer& from, const Tokenizer& to, int64_t V) {
  std::vector<Token> ids(static_cast<size_t>(V));
  std::iota(ids.begin(), ids.end(), 0);
  if (from.hash() == to.hash()) return ids;
  std::unordered_map<std::string_view, Token> known;
  for (Token id = 0; id < to.vocabulary_size(); ++id)
    if (!to.bytes_of(id).empty()) known.emplace(to.bytes_of(id), id);
  for (Token id = 0; id < from.vocabulary_size(); ++id) {
    const auto found = known.find(from.bytes_of(id));
    if (found != known.end())
      ids[static_cast<size_t>(id)] = found->second;
    else if (id != from.end_of_text() || id != to.end_of_text())
      differs(fmt::format("the exported vocabulary has no token {}", from.display(id)));
  }
  return ids;
}

// Every id once, shuffled.
std::vector<Token> shuffled_ids(int64_t V) {
  std::vector<Token> ids(static_cast<size_t>(V));
  std::iota(ids.begin(), ids.end(), 0);
  PhiloxSequence source(Philox(1, RandomStream::kShuffle), 0);
  for (size_t i = ids.size(); i > 1; --i)
    std::swap(ids[i - 1], ids[source.below(i)]);
  return ids;
}

// Text in is text out: the tokens of a text made of these.
void check_tokens(const Tokenizer& from, const Tokenizer& to, std::span<const Token> matched,
                  std::vector<Token> tokens) {
  std::erase_if(tokens, [&](Token id) { return id >= from.vocabulary_size(); });
  const std::string text = from.decode(tokens);
  std::vector<Token> before, after;
  from.encode(text, before);
  to.encode(text, after);
  for (Token& token : before)
    token = matched[static_cast<size_t>(token)];
  if (before != after || to.decode(after) != text)
    differs("the exported tokenizer makes other tokens of a text");
}

// The logits of a model on windows of its text.
class Reader {
 public:
  Reader(const Transformer& model, const float* weights, const ops::Context& context)
      : session_(model, context, calibration_shape(plain_window(model.config()))),
        weights_(weights),
        logits_(plain_window(model.config()) * model.config().vocabulary_size, "logits") {}

  const float* read(std::span<const Token> tokens) {
    session_.logits(tokens, weights_, logits_.data());
    return logits_.data();
  }

 private:
  Session session_;
  const float* weights_;
  Arena logits_;
};

struct Compared {
  std::span<const Token> matched;
  std::vector<double> bounds;
};

// One row of logits [V], in the ids of each model.
void compare_row(const Compared& with, const float* from, const float* to, ExportCheck& check) {
  for (size_t v = 0; v < with.matched.size(); ++v) {
    const float a = from[v], b = to[with.matched[v]];
    if (!std::isfinite(a))
      throw Error(ErrorKind::kData, "export", "the model's logits are not finite",
                  "check it with `cllm eval`; nothing was written");
    if (std::memcmp(&a, &b, sizeof(float)) == 0) continue;
    check.same_bits = false;
    const double difference = std::abs(double{a} - double{b});
    if (with.bounds.empty() || !(difference <= with.bounds[v]))
      differs(fmt::format("the exported model gives token {} the logit {}, the model {}", v, b, a));
    check.difference = std::max(check.difference, difference);
  }
}

void compare_logits(const Transformer& model, const float* weights, const LoadedModel& exported,
                    std::span<const Token> matched, std::span<const Token> tokens,
                    const ops::Context& context,
                    const std::function<void(int64_t, int64_t)>& progress, ExportCheck& check) {
  const int64_t T = plain_window(model.config()), V = model.config().vocabulary_size;
  check.windows = std::clamp<int64_t>(kCheckedTokens / T, 1, (V + T - 1) / T);
  check.tokens = check.windows * T;
  const Compared with{matched, plain_logit_bounds(model, weights)};
  for (const double bound : with.bounds)
    check.allowed = std::max(check.allowed, bound);
  Reader before(model, weights, context);
  Reader after(*exported.model, exported.weights.data(), context);
  std::vector<Token> window(static_cast<size_t>(T)), window_after(window.size());
  for (int64_t w = 0; w < check.windows; ++w) {
    progress(w, check.windows);
    for (int64_t t = 0; t < T; ++t) {
      const Token token = tokens[static_cast<size_t>((w * T + t) % V)];
      window[static_cast<size_t>(t)] = token;
      window_after[static_cast<size_t>(t)] = matched[static_cast<size_t>(token)];
    }
    const float* const from = before.read(window);
    const float* const to = after.read(window_after);
    for (int64_t t = 0; t < T; ++t)
      compare_row(with, from + t * V, to + t * V, check);
  }
  progress(check.windows, check.windows);
}

// Rows [rows, C] of the model against those of the exported one, in whose order they may be by id.
bool same_rows(int64_t rows, int64_t C, const float* from, const float* to,
               std::span<const Token> matched) {
  for (int64_t row = 0; row < rows; ++row) {
    const int64_t other = matched.empty() ? row : matched[static_cast<size_t>(row)];
    if (std::memcmp(from + row * C, to + other * C, static_cast<size_t>(C) * sizeof(float)) != 0)
      return false;
  }
  return true;
}

// What no window may have come upon: late positions, rare tokens. The table of token vectors is
// made once more.
void compare_parameters(const Transformer& model, const float* weights, const LoadedModel& exported,
                        std::span<const Token> matched, const ops::Context& context) {
  for (const Parameter& parameter : exported.model->parameters().all()) {
    const float* const to = exported.weights.data() + parameter.offset;
    const int64_t rows = parameter.shape[0], C = parameter.count / rows;
    bool same = false;
    if (&parameter == &exported.model->token_table()) {
      Arena table(parameter.count, "the vectors of all tokens");
      fill_plain_table(model, weights, context, table.data());
      same = same_rows(rows, C, table.data(), to, matched);
    } else if (const Parameter* const from = model.parameters().find(parameter.name);
               from != nullptr && from->shape == parameter.shape) {
      same = same_rows(rows, C, weights + from->offset, to,
                       parameter.name == "head.weight" ? matched : std::span<const Token>());
    }
    if (!same) differs(fmt::format("the exported {} has other numbers", parameter.name));
  }
}

}  // namespace

int64_t planned_check_bytes(const Transformer& model, const Transformer& plain,
                            const ops::Context& context) {
  const int64_t T = plain_window(model.config()), V = model.config().vocabulary_size;
  int64_t tensor = 0;  // the largest that is read from the file
  for (const Parameter& parameter : plain.parameters().all())
    tensor = std::max(tensor, parameter.count);
  return Session::planned_bytes(model, context, calibration_shape(T)) +
         Session::planned_bytes(plain, context, calibration_shape(T)) +
         static_cast<int64_t>(sizeof(float)) *
             (plain.parameters().arena_floats() + tensor + 2 * T * V + plain.token_table().count);
}

ExportCheck check_export(const Transformer& model, const float* weights, const Tokenizer& tokenizer,
                         const fs::path& folder, const Engine& engine,
                         const std::function<void(int64_t, int64_t)>& progress) {
  const LoadedModel loaded = load_model(folder);
  const int64_t V = model.config().vocabulary_size;
  if (!loaded.tokenizer || loaded.model->config().vocabulary_size != V ||
      loaded.model->config().context_length != model.config().context_length)
    differs("the exported model has another shape");
  const std::vector<Token> matched = matched_ids(tokenizer, *loaded.tokenizer, V);
  const std::vector<Token> tokens = shuffled_ids(V);
  check_tokens(tokenizer, *loaded.tokenizer, matched, tokens);

  ExportCheck check;
  compare_logits(model, weights, loaded, matched, tokens, engine.context(), progress, check);
  compare_parameters(model, weights, loaded, matched, engine.context());
  return check;
}

}  // namespace cllm
