// The type of a token id, shared by everything that touches tokens. Ids are 0..V-1; -1 means
// "none".
#pragma once

#include <cstdint>

namespace cllm {

using Token = int32_t;

}  // namespace cllm
