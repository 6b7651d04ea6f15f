#include "model/stored_names.h"

#include <algorithm>
#include <string_view>

#include "base/check.h"

namespace cllm {
namespace {

// Our name within a block, its name in the family's files, and whether the file holds the
// transpose.
struct Rename {
  std::string_view ours, theirs;
  bool transposed = false;
};

constexpr Rename kGpt2Block[] = {
    {"attention_norm.gain", "ln_1.weight"},
    {"attention_norm.bias", "ln_1.bias"},
    {"attention.qkv.weight", "attn.c_attn.weight", true},
    {"attention.qkv.bias", "attn.c_attn.bias"},
    {"attention.output.weight", "attn.c_proj.weight", true},
    {"attention.output.bias", "attn.c_proj.bias"},
    {"mlp_norm.gain", "ln_2.weight"},
    {"mlp_norm.bias", "ln_2.bias"},
    {"mlp.up.weight", "mlp.c_fc.weight", true},
    {"mlp.up.bias", "mlp.c_fc.bias"},
    {"mlp.down.weight", "mlp.c_proj.weight", true},
    {"mlp.down.bias", "mlp.c_proj.bias"},
};
constexpr Rename kGpt2Top[] = {
    {"embedding.token", "transformer.wte.weight"},
    {"embedding.position", "transformer.wpe.weight"},
    {"final_norm.gain", "transformer.ln_f.weight"},
    {"final_norm.bias", "transformer.ln_f.bias"},
    {"head.weight", "lm_head.weight"},
};
constexpr Rename kLlamaBlock[] = {
    {"attention_norm.gain", "input_layernorm.weight"},
    {"attention.output.weight", "self_attn.o_proj.weight"},
    {"mlp_norm.gain", "post_attention_layernorm.weight"},
    {"mlp.down.weight", "mlp.down_proj.weight"},
};
constexpr Rename kLlamaTop[] = {
    {"embedding.token", "model.embed_tokens.weight"},
    {"final_norm.gain", "model.norm.weight"},
    {"head.weight", "lm_head.weight"},
};

StoredPiece whole(const Parameter& parameter, int32_t index, std::string name, bool transposed) {
  StoredPiece piece{.name = std::move(name), .shape = parameter.shape, .parameter = index};
  piece.rows = parameter.shape[0];
  piece.columns = parameter.count / piece.rows;
  piece.transposed = transposed;
  if (transposed) piece.shape = {piece.columns, piece.rows};
  return piece;
}

StoredPiece row_range(const Parameter& parameter, int32_t index, std::string name, int64_t first,
                      int64_t rows) {
  StoredPiece piece = whole(parameter, index, std::move(name), false);
  piece.first_row = first;
  piece.rows = rows;
  piece.shape = {rows, piece.columns};
  return piece;
}

template <size_t N>
const Rename* find_rename(const Rename (&table)[N], std::string_view ours) {
  for (const Rename& rename : table)
    if (rename.ours == ours) return &rename;
  return nullptr;
}

// "blocks.3.mlp.up.weight" -> layer "3", rest "mlp.up.weight"; false for a parameter outside the
// blocks.
bool split_block_name(std::string_view name, std::string_view& layer, std::string_view& rest) {
  constexpr std::string_view prefix = "blocks.";
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  const size_t dot = name.find('.');
  layer = name.substr(0, dot);
  rest = name.substr(dot + 1);
  return true;
}

void add_gpt2(const Parameter& parameter, int32_t index, std::vector<StoredPiece>& pieces) {
  std::string_view layer, rest;
  const bool in_block = split_block_name(parameter.name, layer, rest);
  const Rename* rename =
      in_block ? find_rename(kGpt2Block, rest) : find_rename(kGpt2Top, parameter.name);
  CHECK_MSG(rename != nullptr, "{}", parameter.name);
  std::string name = in_block ? fmt::format("transformer.h.{}.{}", layer, rename->theirs)
                              : std::string(rename->theirs);
  pieces.push_back(whole(parameter, index, std::move(name), rename->transposed));
}

void add_llama(const ModelConfig& config, const Parameter& parameter, int32_t index,
               std::vector<StoredPiece>& pieces) {
  std::string_view layer, rest;
  if (!split_block_name(parameter.name, layer, rest)) {
    const Rename* rename = find_rename(kLlamaTop, parameter.name);
    CHECK_MSG(rename != nullptr, "{}", parameter.name);
    pieces.push_back(whole(parameter, index, std::string(rename->theirs), false));
    return;
  }
  const std::string prefix = fmt::format("model.layers.{}.", layer);
  if (rest == "attention.qkv.weight") {
    const int64_t q = config.heads * config.head_width(),
                  kv = config.kv_head_count() * config.head_width();
    pieces.push_back(row_range(parameter, index, prefix + "self_attn.q_proj.weight", 0, q));
    pieces.push_back(row_range(parameter, index, prefix + "self_attn.k_proj.weight", q, kv));
    pieces.push_back(row_range(parameter, index, prefix + "self_attn.v_proj.weight", q + kv, kv));
  } else if (rest == "mlp.up.weight") {
    const int64_t F = config.mlp_hidden();
    pieces.push_back(row_range(parameter, index, prefix + "mlp.gate_proj.weight", 0, F));
    pieces.push_back(row_range(parameter, index, prefix + "mlp.up_proj.weight", F, F));
  } else {
    const Rename* rename = find_rename(kLlamaBlock, rest);
    CHECK_MSG(rename != nullptr, "{}", parameter.name);
    pieces.push_back(whole(parameter, index, prefix + std::string(rename->theirs), false));
  }
}

// Where the piece begins in an arena.
int64_t offset_of(const Transformer& model, const StoredPiece& piece) {
  return model.parameters().at(piece.parameter).offset + piece.first_row * piece.columns;
}

}  // namespace

ModelFamily model_family(const ModelConfig& c) {
  const bool extras = c.qk_norm || c.logit_softcap > 0 || c.ngram_order > 0 ||
                      c.embedding != nn::EmbeddingKind::kDense || c.prior_order > 0;
  if (!extras && c.norm == nn::NormKind::kLayerNorm && c.position == PositionKind::kLearned &&
      c.mlp == nn::MlpKind::kGelu && c.bias && c.kv_head_count() == c.heads &&
      c.head_width() * c.heads == c.width)
    return ModelFamily::kGpt2;
  if (!extras && c.norm == nn::NormKind::kRmsNorm && c.position == PositionKind::kRotary &&
      c.mlp == nn::MlpKind::kSwiglu && !c.bias)
    return ModelFamily::kLlama;
  return ModelFamily::kCllm;
}

std::vector<StoredPiece> stored_pieces(const Transformer& model) {
  const ModelFamily family = model_family(model.config());
  const auto& parameters = model.parameters().all();
  std::vector<StoredPiece> pieces;
  for (size_t i = 0; i < parameters.size(); ++i) {
    const auto index = static_cast<int32_t>(i);
    if (family == ModelFamily::kGpt2)
      add_gpt2(parameters[i], index, pieces);
    else if (family == ModelFamily::kLlama)
      add_llama(model.config(), parameters[i], index, pieces);
    else
      pieces.push_back(whole(parameters[i], index, parameters[i].name, false));
  }
  return pieces;
}

void copy_to_stored(const Transformer& model, const StoredPiece& piece, const float* arena,
                    int64_t first, std::span<float> to) {
  const float* from = arena + offset_of(model, piece);
  if (!piece.transposed) {
    std::copy_n(from + first, to.size(), to.begin());
    return;
  }
  int64_t column = first / piece.rows, row = first % piece.rows;
  for (float& value : to) {
    value = from[row * piece.columns + column];
    if (++row == piece.rows) {
      row = 0;
      ++column;
    }
  }
}

void copy_from_stored(const Transformer& model, const StoredPiece& piece, const float* from,
                      float* arena) {
  float* to = arena + offset_of(model, piece);
  for (int64_t row = 0; row < piece.rows; ++row)
    for (int64_t column = 0; column < piece.columns; ++column)
      to[row * piece.columns + column] =
          from[piece.transposed ? column * piece.rows + row : row * piece.columns + column];
}

}  // namespace cllm
