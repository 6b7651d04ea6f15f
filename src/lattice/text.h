// fplll's text format of matrices and vectors, "[[1 2][3 4]]" and "[1 2]", read and written so that
// programs of that family can be piped together. A comma counts as a blank. Numbers may be written
// 12, -7, 3/4, 0.25 or 1e-3; a basis takes integers only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lattice/matrix.h"

namespace cllm::lattice {

// One bracketed value as it stands in the text; the words point into it.
struct TextRow {
  std::vector<std::string_view> words;
  size_t line = 1;
};
struct TextValue {
  bool is_matrix = false;
  std::vector<TextRow> rows;  // one row if it is a vector
  size_t line = 1;
};

// All values of a text. `name` stands in errors: Error (kData) "name:line: ..." for text that is
// not of this form, (kMemory) if the numbers would not fit in memory.
std::vector<TextValue> parse_values(std::string_view text, const std::string& name);

// The value as a matrix of integers; Error (kData) for a vector, an empty matrix, ragged rows or a
// word that is not an integer.
IntegerMatrix integer_matrix(const TextValue& value, const std::string& name);
// The value as a vector of integers or rationals; Error (kData) likewise, and for a word that is
// not a finite number.
IntegerVector integer_vector(const TextValue& value, const std::string& name);
RationalVector rational_vector(const TextValue& value, const std::string& name);
// The rows of a matrix, or the one vector, as rationals.
std::vector<RationalVector> rational_rows(const TextValue& value, const std::string& name);

// The text's only value as a basis.
IntegerMatrix parse_basis(std::string_view text, const std::string& name);

// "[[1 2]\n[3 4]]\n" and "[1 2]\n".
std::string format_matrix(const IntegerMatrix& matrix);
std::string format_vector(std::span<const mpz_class> vector);

}  // namespace cllm::lattice
