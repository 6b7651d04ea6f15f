// cllm lattice: makes, reduces, searches and judges lattices in fplll's text format.
#include <memory>

#include "base/error.h"
#include "base/file.h"
#include "cli/input.h"
#include "cli/lattice_text.h"
#include "cli/program.h"
#include "lattice/classical.h"
#include "lattice/closest.h"
#include "lattice/exact_linear.h"
#include "lattice/generate.h"
#include "lattice/reduce.h"
#include "lattice/shortest.h"
#include "lattice/text.h"
#include "lattice/verify.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;
using lattice::IntegerMatrix;
using lattice::IntegerVector;
using lattice::RationalVector;

struct GenerateOptions {
  std::string kind;
  int64_t rows = 40, bits = 20, seed = 0;
};

struct LatticeOptions {
  std::string file = "-";
  std::string transform_file, method, target, same_as, member, closest;
  bool reduced = false;
  int64_t width = 16;
  lattice::ReduceOptions reduce;
};

void show_matrix(const IntegerMatrix& matrix, ActionContext& context) {
  if (context.global.json)
    context.out.json(
        {{"rows", matrix.rows()}, {"columns", matrix.columns()}, {"basis", matrix_json(matrix)}});
  else
    context.out.write(lattice::format_matrix(matrix));
}

int generate(const GenerateOptions& options, ActionContext& context) {
  using lattice::BasisKind;
  constexpr std::pair<const char*, BasisKind> kKinds[] = {
      {"uniform", BasisKind::kUniform},
      {"knapsack", BasisKind::kKnapsack},
      {"qary", BasisKind::kQary},
      {"ntru", BasisKind::kNtru},
      {"goldstein-mayer", BasisKind::kGoldsteinMayer}};
  for (const auto& [name, kind] : kKinds) {
    if (options.kind != name) continue;
    show_matrix(lattice::generate_basis(kind, options.rows, options.bits,
                                        static_cast<uint64_t>(options.seed)),
                context);
    return 0;
  }
  for (const lattice::Classical classical : lattice::kAllClassical) {
    if (options.kind != lattice::facts(classical).name) continue;
    show_matrix(lattice::classical_basis(classical), context);
    return 0;
  }
  throw Error(ErrorKind::kUsage, "kind", fmt::format("there is no '{}'", options.kind),
              "the kinds are uniform, knapsack, qary, ntru, goldstein-mayer, a2, d4, e8, bw16, "
              "leech");
}

int reduce(const LatticeOptions& options, ActionContext& context) {
  const IntegerMatrix basis = read_basis(options.file);
  lattice::ReduceOptions wanted = options.reduce;
  wanted.transform = !options.transform_file.empty();
  LatticeWatch watch(context, "reduce");
  const lattice::Reduced reduced = lattice::reduce(basis, wanted, watch.watch());
  if (wanted.transform)
    write_file(options.transform_file, lattice::format_matrix(reduced.transform));
  if (!context.global.json) {
    context.out.write(lattice::format_matrix(reduced.basis));
    return 0;
  }
  const mpz_class first = lattice::norm2(reduced.basis.row(0));
  context.out.json({{"rows", basis.rows()},
                    {"columns", basis.columns()},
                    {"first_norm2", first.get_str()},
                    {"root_hermite_factor", lattice::root_hermite_factor(reduced.basis)},
                    {"basis", matrix_json(reduced.basis)}});
  return 0;
}

int shortest(const LatticeOptions& options, ActionContext& context) {
  const IntegerMatrix basis = read_basis(options.file);
  LatticeWatch watch(context, "shortest vector");
  const lattice::ShortestVector found = lattice::shortest_vector(basis, watch.watch());
  if (!context.global.json) {
    context.out.write(lattice::format_vector(found.vector));
    return 0;
  }
  context.out.json({{"vector", vector_json(found.vector)},
                    {"norm2", found.norm2.get_str()},
                    {"length", std::exp2(lattice::log2_of(found.norm2) / 2)},
                    {"gaussian_heuristic", lattice::gaussian_heuristic(basis)},
                    {"nodes", found.nodes}});
  return 0;
}

// The basis of the text, and the targets behind it.
std::pair<IntegerMatrix, std::vector<RationalVector>> read_problem(const LatticeOptions& options) {
  const std::string text = read_text(options.file), name = shown_path(options.file);
  const std::vector<lattice::TextValue> values = lattice::parse_values(text, name);
  if (values.empty())
    throw Error(ErrorKind::kData, name, "holds no matrix", "give a basis and a target");
  std::pair<IntegerMatrix, std::vector<RationalVector>> problem;
  problem.first = lattice::integer_matrix(values.front(), name);
  for (size_t i = 1; i < values.size(); ++i)
    for (RationalVector& target : lattice::rational_rows(values[i], name))
      problem.second.push_back(std::move(target));
  if (!options.target.empty())
    problem.second.push_back(rational_option(options.target, "--target"));
  if (problem.second.empty())
    throw Error(ErrorKind::kData, name, "holds no target",
                "write it behind the basis, \"[1 2 3]\", or give --target");
  return problem;
}

lattice::ClosestVector closest_by(const std::string& method, const LatticeOptions& options,
                                  const lattice::ClosestSolver& solver,
                                  const RationalVector& target, const lattice::SearchWatch& watch) {
  if (method == "rounding") return solver.rounding(target);
  if (method == "plane") return solver.nearest_plane(target);
  if (method == "k-best") return solver.k_best(target, options.width);
  return solver.exact(target, watch);
}

int closest(const LatticeOptions& options, ActionContext& context) {
  const auto [basis, targets] = read_problem(options);
  LatticeWatch watch(context, "closest vector");
  const lattice::ClosestSolver solver(basis, false, watch.watch());
  Json json = Json::array();
  for (const RationalVector& target : targets) {
    const lattice::ClosestVector found =
        closest_by(options.method, options, solver, target, watch.watch());
    if (!context.global.json) context.out.write(lattice::format_vector(found.vector));
    json.push_back({{"vector", vector_json(found.vector)},
                    {"distance2", found.distance2.get_str()},
                    {"distance", std::sqrt(found.distance2.get_d())},
                    {"nodes", found.nodes}});
  }
  if (context.global.json) context.out.json({{"method", options.method}, {"closest", json}});
  return 0;
}

// The checks that were asked for; being reduced if none was.
std::vector<std::pair<std::string, lattice::Objection>> run_checks(const LatticeOptions& options) {
  const IntegerMatrix basis = read_basis(options.file);
  std::vector<std::pair<std::string, lattice::Objection>> checks;
  const bool other =
      !(options.same_as.empty() && options.member.empty() && options.closest.empty());
  if (options.reduced || !other)
    checks.emplace_back(
        "reduced", lattice::object_to_reduced(basis, options.reduce.delta, options.reduce.eta));
  if (!options.same_as.empty())
    checks.emplace_back("same lattice",
                        lattice::object_to_same_lattice(read_basis(options.same_as), basis));
  if (!options.member.empty())
    checks.emplace_back(
        "member", lattice::object_to_member(integer_option(options.member, "--member"), basis));
  if (!options.closest.empty())
    checks.emplace_back(
        "closest", lattice::object_to_closest(integer_option(options.closest, "--closest"), basis,
                                              rational_option(options.target, "--target")));
  return checks;
}

int verify(const LatticeOptions& options, ActionContext& context) {
  if (!options.closest.empty() && options.target.empty())
    throw Error(ErrorKind::kUsage, "--closest", "needs --target", "closest to what?");
  const auto checks = run_checks(options);
  Json json = Json::array();
  std::string failed;
  for (const auto& [name, objection] : checks) {
    if (!context.global.json) context.out.print("{}: {}\n", name, objection ? "NO" : "yes");
    json.push_back({{"check", name}, {"ok", !objection}, {"objection", objection.value_or("")}});
    if (objection && failed.empty()) failed = *objection;
  }
  if (context.global.json) context.out.json({{"ok", failed.empty()}, {"checks", json}});
  if (!failed.empty())
    throw Error(ErrorKind::kRuntime, shown_path(options.file), failed, "the claim does not hold");
  return 0;
}

void add_generate_command(Program& program, CLI::App& group) {
  CLI::App* command = add_command(program, group, "generate", "Makes a random or a classical basis",
                                  "  cllm lattice generate qary --rows 60 --bits 30 --seed 1\n"
                                  "  cllm lattice generate leech | cllm lattice svp");
  auto options = std::make_shared<GenerateOptions>();
  command
      ->add_option("kind", options->kind,
                   "uniform, knapsack, qary, ntru, goldstein-mayer, or a2, d4, e8, bw16, leech")
      ->required()
      ->type_name("KIND");
  command->add_option("--rows", options->rows, "vectors of a random basis; default 40")
      ->type_name("N");
  command->add_option("--bits", options->bits, "length of its numbers; default 20")->type_name("N");
  command->add_option("--seed", options->seed, "which one; default 0")->type_name("N");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return generate(*options, context); };
  });
}

using LatticeAction = int (*)(const LatticeOptions&, ActionContext&);

CLI::App* add_lattice_command(Program& program, CLI::App& group, const std::string& name,
                              const std::string& description, const std::string& examples,
                              LatticeAction action,
                              const std::shared_ptr<LatticeOptions>& options) {
  CLI::App* command = add_command(program, group, name, description, examples);
  command->add_option("file", options->file, "the basis; - is standard input, the default")
      ->type_name("FILE");
  command->callback([&program, options, action] {
    program.action = [options, action](ActionContext& context) {
      return action(*options, context);
    };
  });
  return command;
}

void add_conditions(CLI::App& command, LatticeOptions& options) {
  command.add_option("--delta", options.reduce.delta, "Lovasz's delta; default 0.99")
      ->type_name("X");
  command.add_option("--eta", options.reduce.eta, "bound of size reduction; default 0.51")
      ->type_name("X");
}

void add_searches(Program& program, CLI::App& group) {
  auto options = std::make_shared<LatticeOptions>();
  CLI::App* command =
      add_lattice_command(program, group, "reduce", "Reduces a basis by LLL or BKZ",
                          "  latticegen q 60 30 30 p | cllm lattice reduce\n"
                          "  cllm lattice reduce basis.txt --block 20 | fplll -a svp",
                          reduce, options);
  add_conditions(*command, *options);
  command
      ->add_option("--block", options->reduce.block_size, "block size of BKZ; default 0, LLL only")
      ->type_name("N");
  command
      ->add_option("--tours", options->reduce.tours,
                   "at most so many tours of BKZ; default 0, until nothing changes")
      ->type_name("N");
  command
      ->add_option("--transform", options->transform_file,
                   "write the unimodular matrix that turns the input into the output")
      ->type_name("FILE");

  options = std::make_shared<LatticeOptions>();
  add_lattice_command(
      program, group, "svp", "Finds a shortest vector",
      "  cllm lattice generate goldstein-mayer --bits 400 | cllm lattice svp --json", shortest,
      options);

  options = std::make_shared<LatticeOptions>();
  command = add_lattice_command(
      program, group, "cvp", "Finds the lattice vector closest to each target",
      "  echo \"[[1 0][0 3]] [0.4 5]\" | cllm lattice cvp\n"
      "  cllm lattice cvp basis.txt --target \"[7 1/2 -3]\" --method k-best --width 64",
      closest, options);
  options->method = "exact";
  command
      ->add_option("--method", options->method,
                   "exact, k-best, plane or rounding (Babai); default exact")
      ->type_name("NAME")
      ->check(CLI::IsMember({"exact", "k-best", "plane", "rounding"}).description(""));
  command->add_option("--width", options->width, "partial points that k-best keeps; default 16")
      ->type_name("N");
  command->add_option("--target", options->target, "a target; more may follow the basis")
      ->type_name("VECTOR");
}

void add_verify(Program& program, CLI::App& group) {
  auto options = std::make_shared<LatticeOptions>();
  CLI::App* command = add_lattice_command(
      program, group, "verify", "Checks claims about a basis in exact arithmetic",
      "  cllm lattice verify reduced.txt --reduced --same-as basis.txt\n"
      "  cllm lattice verify basis.txt --closest \"[2 4]\" --target \"[1.7 4.2]\"",
      verify, options);
  add_conditions(*command, *options);
  command->add_flag("--reduced", options->reduced,
                    "LLL-reduced for --delta and --eta; the default check");
  command->add_option("--same-as", options->same_as, "spans the same lattice as this basis")
      ->type_name("FILE");
  command->add_option("--member", options->member, "this vector lies in the lattice")
      ->type_name("VECTOR");
  command
      ->add_option("--closest", options->closest,
                   "this vector lies in the lattice and is no farther from --target than Babai's")
      ->type_name("VECTOR");
  command->add_option("--target", options->target, "target of --closest")->type_name("VECTOR");
}

}  // namespace

void add_lattice(Program& program) {
  CLI::App* group =
      add_command_group(program, "lattice", "Makes, reduces, searches and verifies lattices",
                        "  latticegen u 40 30 | cllm lattice reduce | cllm lattice svp\n"
                        "  cllm lattice kissing leech --index 7\n"
                        "  cllm lattice decode e8 points.txt");
  add_generate_command(program, *group);
  add_searches(program, *group);
  add_lattice_classical(program, *group);
  add_verify(program, *group);
}

}  // namespace cllm::cli
