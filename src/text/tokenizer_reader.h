// Reads tokenizers written by us or by others. Supported: byte-level BPE with the GPT-2 split
// (GPT-2, and Llama-style files of that kind with more added tokens), and what
// text/tokenizer_writer.h writes. Anything that would give other ids than the file's own software
// is refused, with two exceptions: a post-processor that adds tokens is not applied (callers add
// them), and lstrip/rstrip/single_word of special tokens are ignored.
#pragma once

#include "base/file.h"
#include "text/tokenizer.h"

namespace cllm {

// A tokenizer.json, a folder with one, or a folder with vocab.json and merges.txt. End of text is
// the eos_token of a folder's tokenizer_config.json, else the first special token with a usual
// name. Both forms of merges are read. Error (kData) that names the file: not JSON, truncated,
// inconsistent (ids missing, twice or out of range, merges of unknown tokens), or of an unsupported
// kind.
Tokenizer read_tokenizer(const fs::path& file_or_folder);

}  // namespace cllm
