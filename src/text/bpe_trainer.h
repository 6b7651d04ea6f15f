// Trains a byte-level BPE vocabulary (GPT-2 split) on a stream of text: Sennrich, Haddow, Birch
// 2016, with pair counts kept up to date instead of recounted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "text/tokenizer.h"

namespace cllm {

// Only distinct pre-tokens ("words") are kept, with their counts. Memory: at most `max_words` of
// them of at most kMaxWordBytes, typically 100 bytes each; when there are more, the rarest are
// forgotten until half are left (every word up to some count, so the result depends on the text
// alone). English prose of 16 MB has about 10^5 distinct words. Same text, same vocabulary, however
// it is cut into chunks. Not thread-safe.
class BpeTrainer {
 public:
  static constexpr size_t kDefaultMaxWords = 2'000'000;
  // A longer word is counted in parts of this many bytes.
  static constexpr size_t kMaxWordBytes = 256;

  explicit BpeTrainer(size_t max_words = kDefaultMaxWords);

  // Counts the words of a chunk, which may be cut anywhere, also within a character. O(bytes).
  void add(std::string_view chunk);
  // The end of a document: no word spans it.
  void end_document();

  // Ends the document and trains. Ids: 256 bytes, then merges by rank, <|endoftext|> last. Fewer
  // tokens than asked for come out when no pair of tokens occurs twice any more. Ties go to the
  // pair with the smaller ids. progress(tokens so far, vocabulary_size) is called every few hundred
  // merges; it may be empty. Error (kUsage) if vocabulary_size is not in [257, 2^20]; Error (kData)
  // if there was no text.
  using Progress = std::function<void(int done, int total)>;
  Tokenizer train(int vocabulary_size, const Progress& progress = {});

  size_t distinct_words() const { return counts_.size(); }

 private:
  struct Hash {
    using is_transparent = void;
    size_t operator()(std::string_view text) const { return std::hash<std::string_view>()(text); }
  };

  void count_pieces(std::string_view text);
  void count_word(std::string_view word);
  void forget_rare_words();

  size_t max_words_;
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> counts_;
  std::string tail_;  // text not yet cut into words
};

}  // namespace cllm
