#include "cli/lattice_text.h"

#include "base/error.h"
#include "base/units.h"
#include "cli/input.h"
#include "cli/signals.h"
#include "lattice/text.h"

namespace cllm::cli {

using Json = nlohmann::ordered_json;

Json vector_json(std::span<const mpz_class> vector) {
  Json json = Json::array();
  for (const mpz_class& entry : vector)
    json.push_back(entry.get_str());
  return json;
}

Json matrix_json(const lattice::IntegerMatrix& matrix) {
  Json json = Json::array();
  for (size_t i = 0; i < matrix.rows(); ++i)
    json.push_back(vector_json(matrix.row(i)));
  return json;
}

std::string shown_path(const std::string& path) {
  return path == "-" ? "standard input" : path;
}

lattice::IntegerMatrix read_basis(const std::string& path) {
  return lattice::parse_basis(read_text(path), shown_path(path));
}

namespace {

std::string bracketed(const std::string& text) {
  return text.find('[') == std::string::npos ? "[" + text + "]" : text;
}

template <class Convert>
auto only_value(const std::string& text, const std::string& option, Convert&& convert) {
  const std::string whole = bracketed(text);
  const auto values = lattice::parse_values(whole, option);
  if (values.size() != 1)
    throw Error(ErrorKind::kData, option, fmt::format("holds {} vectors", values.size()),
                "give one, as \"[1 2 3]\"");
  return convert(values.front(), option);
}

}  // namespace

lattice::IntegerVector integer_option(const std::string& text, const std::string& option) {
  return only_value(text, option, lattice::integer_vector);
}

lattice::RationalVector rational_option(const std::string& text, const std::string& option) {
  return only_value(text, option, lattice::rational_vector);
}

LatticeWatch::LatticeWatch(ActionContext& context, std::string label)
    : progress_(context.log, std::move(label), 0) {
  install_impatient_signal_handlers();
}

lattice::SearchWatch LatticeWatch::watch() {
  return [this](const lattice::SearchProgress& now) {
    check_interrupt();
    if (!progress_.due()) return;
    std::string fields = now.phase;
    if (now.total > 0) fields += fmt::format(" of {}", now.total);
    if (now.best > 0) fields += fmt::format(", nearest so far {:.4g} of the start", now.best);
    progress_.update(static_cast<int64_t>(now.done), fields);
  };
}

}  // namespace cllm::cli
