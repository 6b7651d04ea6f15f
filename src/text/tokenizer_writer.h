// Writes tokenizers as Hugging Face files. Only fields that format knows are written (its Rust
// reader fails on others), so the kind is told by the form:
//   bpe   BPE with merges, ByteLevel pre-tokenizer with the GPT-2 split
//   byte  BPE over the 256 bytes without merges, ByteLevel pre-tokenizer without the split
//   char  BPE over characters without merges, no pre-tokenizer, Fuse decoder
#pragma once

#include <cstdint>
#include <string>

#include "base/file.h"

namespace cllm {

class Tokenizer;

// The text of a tokenizer.json, keys in order of id. O(V log V).
std::string tokenizer_json(const Tokenizer& tokenizer);

// tokenizer.json, tokenizer_config.json, special_tokens_map.json and, for BPE, vocab.json and
// merges.txt, each written whole or not at all, into an existing folder. Error (kRuntime).
void write_tokenizer_folder(const Tokenizer& tokenizer, const fs::path& folder,
                            int64_t model_max_length);

}  // namespace cllm
