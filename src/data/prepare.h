// Text sources to a folder of token shards, in one pass and bounded memory.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/file.h"
#include "data/dataset.h"
#include "data/source.h"
#include "text/tokenizer.h"

namespace cllm {

struct PrepareProgress {
  uint64_t bytes = 0;
  uint64_t bytes_total = 0;  // 0 if unknown
  int64_t tokens = 0;
  int64_t documents = 0;
};

struct PrepareOptions {
  int64_t shard_tokens = int64_t{256} << 20;  // a shard is closed when it has this many
  size_t chunk_bytes = DocumentStream::kDefaultChunk;
  int standard_input = 0;  // descriptor that the source "-" reads
  // Called after every chunk; may be empty. An exception from it (a signal, say) ends the work.
  std::function<void(const PrepareProgress&)> progress;
};

// Tokenises the sources into `folder` (made if need be; a dataset in it is replaced) and opens the
// result. The tokens do not depend on chunk_bytes: a chunk ends only at Tokenizer::safe_cut.
// Memory: a chunk, its tokens, and 8 bytes per document of the shard at hand. Interrupted, it
// leaves a folder that TokenDataset::open calls incomplete. Error (kData): as DocumentStream and
// Tokenizer::encode, or if there is no text at all; kRuntime: cannot write.
TokenDataset prepare_tokens(const std::vector<TextSource>& sources, const Tokenizer& tokenizer,
                            const fs::path& folder, const PrepareOptions& options = {});

// Bytes of text each token stands for, by id; 0 for special tokens such as end of text. The bytes
// behind a set of predicted tokens turn their loss into bits per byte.
std::vector<int32_t> token_bytes(const Tokenizer& tokenizer);

}  // namespace cllm
