// In what order the tokens of a vocabulary have their ids, and so their rows in the token table and
// the head. Which rows are neighbours in memory changes with it, nothing else: the ids are those of
// the tokenizer, which is stored with the model, so there is nothing to undo where text is made.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/transformer.h"
#include "text/tokenizer.h"

namespace cllm {

// kIdentity: as the vocabulary was made. kFrequency: by rank, the most frequent token first. kUlam:
// the token of rank r lies on the cell of r in Ulam's spiral (number/ulam.h), and ids follow the
// cells as a text is read: rows of the picture from the top down, each from left to right.
enum class VocabularyOrder { kIdentity, kFrequency, kUlam };

// The new id of every id, a permutation. counts [V] of the tokens in a text; ties go to the smaller
// id. O(V log V).
std::vector<Token> vocabulary_order(VocabularyOrder order, std::span<const int64_t> counts);

// The same tokens in this order; end of text stays the last. counts [V] by id. The tokenizer is one
// that text/bpe_trainer.h or text/char_vocabulary.h made.
Tokenizer with_order(const Tokenizer& made, VocabularyOrder order, std::span<const int64_t> counts);

// The other way, from the tokenizer alone: by id, the id with which the token was made (characters
// by code point; bytes, then merges by rank; end of text last).
std::vector<Token> made_ids(const Tokenizer& tokenizer);

// made_ids() of a tokenizer that is known to be in another order; empty if it is in its own, or
// none is known: bytes, and vocabularies of other software. Known are characters, and BPE
// vocabularies of the 256 bytes, what their merges make and end of text, last, as
// text/bpe_trainer.h makes them; those with the merges by rank behind the bytes are taken to be in
// their own order, whatever that of the bytes is (GPT-2's is not by value).
std::vector<Token> ids_to_restore(const Tokenizer& tokenizer);

// Of fresh weights laid out by model.parameters(): row t of the token table and of a head of its
// own = row origins[t], so that every token begins with what it begins with in the identical order.
void place_token_rows(const Transformer& model, std::span<const Token> origins, float* weights);

// The other way: row made[t] = row t, for a tokenizer that becomes renumbered() by them.
void restore_token_rows(const Transformer& model, std::span<const Token> made, float* weights);

}  // namespace cllm
