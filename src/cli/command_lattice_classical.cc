// cllm lattice kissing and decode: the classical lattices.
#include <memory>
#include <optional>

#include "base/error.h"
#include "cli/input.h"
#include "cli/lattice_text.h"
#include "cli/program.h"
#include "lattice/decode.h"
#include "lattice/minimal_vectors.h"
#include "lattice/text.h"
#include "lattice/theta.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

struct KissingOptions {
  std::string name;
  std::vector<uint32_t> indices;
  std::string find;
  bool vectors = false;
  std::optional<double> shells;
  std::optional<uint64_t> moment;
  int64_t seed = 1;
};

struct DecodeOptions {
  std::string name, file = "-";
};

lattice::IntegerVector minimal(lattice::Classical lattice, uint32_t index) {
  const lattice::ClassicalFacts& fact = lattice::facts(lattice);
  if (index >= fact.kissing_number)
    throw Error(ErrorKind::kUsage, "--index",
                fmt::format("{} is not below {}", index, fact.kissing_number),
                "minimal vectors are counted from 0");
  std::vector<int32_t> x(fact.dimension);
  lattice::minimal_vector(lattice, index, x);
  return {x.begin(), x.end()};
}

uint32_t index_of(lattice::Classical lattice, const std::string& text) {
  const lattice::IntegerVector vector = integer_option(text, "--find");
  const size_t dimension = lattice::facts(lattice).dimension;
  if (vector.size() != dimension)
    throw Error(ErrorKind::kData, "--find",
                fmt::format("{} numbers; {} has {} coordinates", vector.size(),
                            lattice::facts(lattice).name, dimension),
                "give one number per coordinate");
  std::vector<int32_t> x;
  for (const mpz_class& entry : vector)
    x.push_back(entry.fits_sint_p() ? static_cast<int32_t>(entry.get_si()) : INT32_MAX);
  const auto index = lattice::minimal_vector_index(lattice, x);
  if (!index)
    throw Error(ErrorKind::kData, "--find", "is not a minimal vector",
                fmt::format("see cllm lattice kissing {} --vectors", lattice::facts(lattice).name));
  return *index;
}

// Lists of vectors, in fplll's format.
int show_vectors(lattice::Classical lattice, const KissingOptions& options,
                 ActionContext& context) {
  lattice::IntegerMatrix matrix;
  if (options.vectors)
    for (uint32_t index = 0; index < lattice::facts(lattice).kissing_number; ++index)
      matrix.append_row(minimal(lattice, index));
  for (const uint32_t index : options.indices)
    matrix.append_row(minimal(lattice, index));
  if (context.global.json)
    context.out.json({{"vectors", matrix_json(matrix)}});
  else if (matrix.rows() == 1)
    context.out.write(lattice::format_vector(matrix.row(0)));
  else
    context.out.write(lattice::format_matrix(matrix));
  return 0;
}

Json facts_json(lattice::Classical lattice, const KissingOptions& options, ActionContext& context) {
  const lattice::ClassicalFacts& fact = lattice::facts(lattice);
  Json json = {{"lattice", fact.name},
               {"dimension", fact.dimension},
               {"kissing_number", fact.kissing_number},
               {"minimal_norm2", fact.minimal_norm2},
               {"volume", fact.volume},
               {"second_moment", fact.second_moment}};
  LatticeWatch watch(context, "count");
  if (options.shells) {
    json["shells"] = Json::array();
    for (const lattice::Shell& shell : count_shells(lattice, *options.shells, watch.watch()))
      json["shells"].push_back({{"norm2", shell.norm2}, {"vectors", shell.count}});
  }
  if (options.moment) {
    if (*options.moment < 2)
      throw Error(ErrorKind::kUsage, "--moment", fmt::format("{} is below 2", *options.moment),
                  "a standard error takes two points, a good one 100000");
    const lattice::SecondMoment measured = lattice::measure_second_moment(
        lattice, *options.moment, static_cast<uint64_t>(options.seed));
    json["measured_second_moment"] = measured.value;
    json["standard_error"] = measured.standard_error;
  }
  return json;
}

int kissing(const KissingOptions& options, ActionContext& context) {
  const lattice::Classical lattice = lattice::classical_by_name(options.name);
  if (!options.find.empty()) {
    const uint32_t index = index_of(lattice, options.find);
    if (context.global.json)
      context.out.json({{"index", index}});
    else
      context.out.print("{}\n", index);
    return 0;
  }
  if (options.vectors || !options.indices.empty()) return show_vectors(lattice, options, context);
  const Json json = facts_json(lattice, options, context);
  if (context.global.json) {
    context.out.json(json);
    return 0;
  }
  context.out.print("kissing number   {}\n", json["kissing_number"].get<uint32_t>());
  context.out.print("dimension        {}\n", json["dimension"].get<size_t>());
  context.out.print("minimal norm^2   {}\n", json["minimal_norm2"].get<double>());
  context.out.print("volume           {:.6g}\n", json["volume"].get<double>());
  context.out.print("second moment    {:.6f}\n", json["second_moment"].get<double>());
  if (options.moment)
    context.out.print("measured         {:.6f} +- {:.6f}\n",
                      json["measured_second_moment"].get<double>(),
                      json["standard_error"].get<double>());
  if (options.shells)
    for (const Json& shell : json["shells"])
      context.out.print("norm^2 {:<9} {} vectors\n", shell["norm2"].get<double>(),
                        shell["vectors"].get<uint64_t>());
  return 0;
}

// One double per coordinate; what a double cannot hold exactly is rounded.
std::vector<double> target_of(const lattice::RationalVector& row,
                              const lattice::ClassicalFacts& fact, const std::string& name) {
  if (row.size() != fact.dimension)
    throw Error(ErrorKind::kData, name,
                fmt::format("a point of {} numbers; {} has {} coordinates", row.size(), fact.name,
                            fact.dimension),
                "give one number per coordinate");
  std::vector<double> target;
  for (const mpq_class& x : row)
    target.push_back(x.get_d());
  return target;
}

int decode(const DecodeOptions& options, ActionContext& context) {
  const lattice::Classical lattice = lattice::classical_by_name(options.name);
  const lattice::ClassicalFacts& fact = lattice::facts(lattice);
  const std::string text = read_text(options.file), name = shown_path(options.file);
  Json json = Json::array();
  for (const lattice::TextValue& value : lattice::parse_values(text, name)) {
    for (const lattice::RationalVector& row : lattice::rational_rows(value, name)) {
      const std::vector<double> target = target_of(row, fact, name);
      std::vector<int64_t> point(fact.dimension);
      const double distance2 = lattice::decode_one(lattice, target, point);
      if (context.global.json)
        json.push_back({{"point", point}, {"distance2", distance2}});
      else
        context.out.print("[{}]\n", fmt::join(point, " "));
    }
  }
  if (context.global.json) context.out.json({{"lattice", fact.name}, {"points", json}});
  return 0;
}

void add_kissing(Program& program, CLI::App& group) {
  CLI::App* command =
      add_command(program, group, "kissing", "Facts and minimal vectors of a classical lattice",
                  "  cllm lattice kissing leech\n"
                  "  cllm lattice kissing e8 --index 0 --index 239\n"
                  "  cllm lattice kissing bw16 --shells 6 --moment 100000");
  auto options = std::make_shared<KissingOptions>();
  command->add_option("lattice", options->name, "a2, d4, e8, bw16 or leech")
      ->required()
      ->type_name("LATTICE");
  command->add_option("--index", options->indices, "show the minimal vector of this number")
      ->type_name("N")
      ->expected(1)
      ->take_all();
  command->add_flag("--vectors", options->vectors, "show all minimal vectors");
  command->add_option("--find", options->find, "show the number of this minimal vector")
      ->type_name("VECTOR");
  command->add_option("--shells", options->shells, "count the vectors up to this squared length")
      ->type_name("X");
  command
      ->add_option("--moment", options->moment,
                   "measure the normalised second moment with this many random points")
      ->type_name("N");
  command->add_option("--seed", options->seed, "seed of the random points; default 1")
      ->type_name("N");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return kissing(*options, context); };
  });
}

}  // namespace

void add_lattice_classical(Program& program, CLI::App& group) {
  add_kissing(program, group);
  CLI::App* command =
      add_command(program, group, "decode", "Finds the nearest point of a classical lattice",
                  "  echo \"[0.3 1.2 -0.7 2.9]\" | cllm lattice decode d4\n"
                  "  cllm lattice decode leech points.txt --json");
  auto options = std::make_shared<DecodeOptions>();
  command->add_option("lattice", options->name, "a2, d4, e8, bw16 or leech")
      ->required()
      ->type_name("LATTICE");
  command
      ->add_option("file", options->file,
                   "points in the lattice's integer coordinates; - is standard input, the default")
      ->type_name("FILE");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return decode(*options, context); };
  });
}

}  // namespace cllm::cli
