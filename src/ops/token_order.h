// In what order the tokens of a batch reach the rows of a table: as they come, or sorted, so that
// all uses of a row follow each other. A gathered row goes to its token's place and gradients are
// added up in the order of the places either way, so no bit depends on it.
#pragma once

namespace cllm::ops {

enum class TokenOrder { kBatch, kSorted };

}  // namespace cllm::ops
