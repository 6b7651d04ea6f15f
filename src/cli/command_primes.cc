// cllm primes: counts, lists and names primes, and takes numbers apart.
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>

#include "base/clock.h"
#include "base/error.h"
#include "base/units.h"
#include "cli/input.h"
#include "cli/program.h"
#include "number/factor.h"
#include "number/natural.h"
#include "number/primes.h"
#include "threads/topology.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

struct PrimesOptions {
  std::vector<std::string> numbers;
  int threads = 0;
};

struct Range {
  uint64_t first = 0, last = 0;
};

// [LAST] or [FIRST, LAST].
Range parse_range(const std::vector<std::string>& words) {
  if (words.size() == 1) return {0, number::parse_natural(words[0], "LAST")};
  return {number::parse_natural(words[0], "FIRST"), number::parse_natural(words[1], "LAST")};
}

int count(const PrimesOptions& options, ActionContext& context) {
  const Range range = parse_range(options.numbers);
  number::set_sieve_threads(choose_threads(options.threads).count);
  const double begin = steady_seconds();
  const uint64_t found = number::count_primes(range.first, range.last);
  const double seconds = steady_seconds() - begin;
  if (context.global.json) {
    context.out.json(
        {{"first", range.first}, {"last", range.last}, {"count", found}, {"seconds", seconds}});
  } else {
    context.out.print("{}\n", found);
    context.log.verbose(fmt::format("counted in {}", format_duration(seconds)));
  }
  return 0;
}

int list(const PrimesOptions& options, ActionContext& context) {
  const Range range = parse_range(options.numbers);
  if (context.global.json) {
    context.out.json({{"first", range.first},
                      {"last", range.last},
                      {"primes", number::primes_between(range.first, range.last)}});
    return 0;
  }
  number::PrimeIterator primes(range.first, range.last);
  for (auto p = primes.next(); p && *p <= range.last; p = primes.next())
    context.out.print("{}\n", *p);
  return 0;
}

int nth(const PrimesOptions& options, ActionContext& context) {
  const uint64_t n = number::parse_natural(options.numbers[0], "N");
  number::set_sieve_threads(choose_threads(options.threads).count);
  const uint64_t prime = number::nth_prime(n);
  if (context.global.json)
    context.out.json({{"n", n}, {"prime", prime}});
  else
    context.out.print("{}\n", prime);
  return 0;
}

int factor(const PrimesOptions& options, ActionContext& context) {
  std::vector<std::string> words = options.numbers;
  if (words.empty()) {
    std::istringstream input(read_text("-"));
    for (std::string word; input >> word;)
      words.push_back(word);
  }
  Json results = Json::array();
  for (const std::string& word : words) {
    const uint64_t n = number::parse_natural(word, "N");
    Json factors = Json::array();
    std::string line = fmt::format("{}:", n);
    for (const number::PrimePower& power : number::factorize(n)) {
      factors.push_back({{"prime", power.prime}, {"exponent", power.exponent}});
      for (int i = 0; i < power.exponent; ++i)
        line += fmt::format(" {}", power.prime);
    }
    results.push_back({{"number", n}, {"prime", number::is_prime(n)}, {"factors", factors}});
    if (!context.global.json) context.out.print("{}\n", line);
  }
  if (context.global.json) context.out.json(results);
  return 0;
}

using Use = int (*)(const PrimesOptions&, ActionContext&);

// A command whose action is use(options).
CLI::App* add_use(Program& program, CLI::App& group, const std::string& name,
                  const std::string& description, const std::string& examples,
                  const std::shared_ptr<PrimesOptions>& options, Use use) {
  CLI::App* command = add_command(program, group, name, description, examples);
  command->callback([&program, options, use] {
    program.action = [options, use](ActionContext& context) { return use(*options, context); };
  });
  return command;
}

void add_threads(CLI::App& command, const std::shared_ptr<PrimesOptions>& options) {
  command.add_option("--threads", options->threads, "threads of the sieve (default: chosen)")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
}

}  // namespace

void add_primes(Program& program) {
  CLI::App* group = add_command_group(program, "primes", "Count, list, factor and draw primes",
                                      "  cllm primes count 1e10\n"
                                      "  cllm primes factor 18446744073709551615\n"
                                      "  cllm primes spiral --size 401 --png spiral.png");
  auto options = std::make_shared<PrimesOptions>();
  CLI::App* command =
      add_use(program, *group, "count", "Count the primes up to a number",
              "  cllm primes count 1e10\n  cllm primes count 1e15 1000001e9", options, count);
  command->add_option("NUMBER", options->numbers, "LAST, or FIRST and LAST")
      ->required()
      ->expected(1, 2);
  add_threads(*command, options);

  options = std::make_shared<PrimesOptions>();
  command =
      add_use(program, *group, "list", "List the primes up to a number",
              "  cllm primes list 100\n  cllm primes list 1e18 1000000000000000100", options, list);
  command->add_option("NUMBER", options->numbers, "LAST, or FIRST and LAST")
      ->required()
      ->expected(1, 2);

  options = std::make_shared<PrimesOptions>();
  command =
      add_use(program, *group, "nth", "Name the N-th prime", "  cllm primes nth 1e6", options, nth);
  command->add_option("N", options->numbers, "which one; the first is 2")->required()->expected(1);
  add_threads(*command, options);

  options = std::make_shared<PrimesOptions>();
  command = add_use(program, *group, "factor", "Take 64-bit numbers apart into primes",
                    "  cllm primes factor 360 18446744073709551615\n"
                    "  cllm primes factor --json < numbers.txt",
                    options, factor);
  command->add_option("N", options->numbers, "numbers (default: standard input)");
  add_primes_spiral(program, *group);
}

}  // namespace cllm::cli
