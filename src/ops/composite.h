// Vectors of tokens that are sums of shared rows, and the output head that is the transpose of such
// a table: with S the sparse matrix of codes, scale_t in row t wherever the code of token t has a
// piece, the embedding is S U and the logits are S (U h). The second product costs one addition per
// piece, in place of a dot product per token. Shared rows: Svenstrup et al. 2017, "Hash
// embeddings"; Shi et al. 2019, "Compositional embeddings using complementary partitions".
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ops/context.h"
#include "ops/decode.h"
#include "ops/values.h"

namespace cllm::ops {

// S [V, K] by rows; not owned (nn/code_table.h).
struct Codes {
  int64_t V = 0, K = 0;
  const int32_t* offsets = nullptr;  // [V + 1]: token t has pieces [offsets[t], offsets[t + 1])
  const int32_t* pieces = nullptr;   // in [0, K), ascending within a token, at least one
  const float* scales = nullptr;     // [V]
  int64_t most = 0;                  // pieces of the longest code
};

// x [N, C] = scale * (sum of the table's rows of the token, in order) + position_table[n % T],
// rounded once. table [K, C]; position_table [>= T, C] may be null. N C pieces additions. Threaded.
void composite_forward(const Context& context, int64_t N, int64_t T, int64_t C,
                       const int32_t* tokens, const Codes& codes, const float* table,
                       const float* position_table, Values x);

// dtable [K, C] += scale * dx [N, C] for every piece of the tokens, in the order of n. Threaded
// over columns: bits do not depend on threads.
void composite_backward(const Context& context, int64_t N, int64_t C, const int32_t* tokens,
                        const Codes& codes, ConstValues dx, float* dtable);

// composite_forward() of generation, without positions: the rows of a stored table. fp32 gives the
// same bits.
void composite_gather(const Context& context, std::span<const int32_t> tokens, const Codes& codes,
                      const DecodeMatrix& table, float* x);

// logits [N, V] = u [N, K] S^T, summed in fp32 in the order of the pieces, rounded once. The bits
// of a row do not depend on the others. N V pieces additions. scratch: composite_logits_scratch()
// floats.
void composite_logits(const Context& context, int64_t N, const Codes& codes, ConstValues u,
                      Values logits, float* scratch);
// du [N, K] = dlogits [N, V] S, summed in fp32 in the order of the tokens, rounded once.
void composite_logits_backward(const Context& context, int64_t N, const Codes& codes,
                               ConstValues dlogits, Values du, float* scratch);
int64_t composite_logits_scratch(const Context& context, const Codes& codes);

}  // namespace cllm::ops
