// Rows of text with aligned columns.
#pragma once

#include <string>
#include <vector>

namespace cllm::bench {

// The first row is the heading. The first column is aligned left, the others right; two blanks
// between columns; rows may have different lengths. Cells are ASCII or count one column per code
// point.
std::string text_table(const std::vector<std::vector<std::string>>& rows);

// A number for people: three significant digits in plain notation from 0.001 to below 1000, whole
// above, with an exponent below; "?" if it is not finite.
std::string format_figure(double value);

}  // namespace cllm::bench
