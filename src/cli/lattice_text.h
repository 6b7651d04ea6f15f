// What the lattice commands share: reading and showing lattices, and giving way to Ctrl-C.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "base/progress.h"
#include "cli/program.h"
#include "lattice/matrix.h"
#include "lattice/search_watch.h"

namespace cllm::cli {

// Integers of any length as JSON strings.
nlohmann::ordered_json vector_json(std::span<const mpz_class> vector);
nlohmann::ordered_json matrix_json(const lattice::IntegerMatrix& matrix);

// "standard input" for "-".
std::string shown_path(const std::string& path);

// The file's only matrix. Error (kData).
lattice::IntegerMatrix read_basis(const std::string& path);
// A vector given on the command line as `option`, "[1 2 3]"; brackets may be left out. Error
// (kData).
lattice::IntegerVector integer_option(const std::string& text, const std::string& option);
lattice::RationalVector rational_option(const std::string& text, const std::string& option);

// Shows how a search goes, and ends it with Interrupted once a stop was asked for. Catches signals
// from its construction on; the context must outlive it.
class LatticeWatch {
 public:
  LatticeWatch(ActionContext& context, std::string label);
  lattice::SearchWatch watch();

 private:
  Progress progress_;
};

}  // namespace cllm::cli
