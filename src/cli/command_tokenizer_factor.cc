// cllm tokenizer factor: the tokens of a text as squarefree numbers, factored again.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/check.h"
#include "cli/input.h"
#include "cli/program.h"
#include "crystal/prime_codes.h"
#include "number/signature.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

struct FactorOptions {
  std::string tokenizer;
  std::vector<std::string> words;
};

// A token, its number, and what comes of factoring that.
struct Factored {
  Token token = -1;
  mpz_class number;
  std::vector<uint64_t> primes;
  std::string text;
};

Factored factor_token(Token token, const PrimeCodes& codes, const number::PrimeBase& base) {
  Factored result{.token = token, .number = to_number(codes.signature(token), base)};
  // From here on only the number is known.
  const number::Signature signature = to_signature(result.number, base);
  for (size_t i = 0; i < base.size(); ++i)
    if (signature.contains(i)) result.primes.push_back(base.prime(i));
  result.text = codes.spell(signature);
  return result;
}

Json to_json(const Factored& token, const Tokenizer& tokenizer) {
  return {{"id", token.token},
          {"piece", tokenizer.display(token.token)},
          {"number", token.number.get_str()},
          {"primes", token.primes}};
}

int factor(const FactorOptions& options, ActionContext& context) {
  const Tokenizer tokenizer = Tokenizer::load(options.tokenizer);
  const std::string text =
      options.words.empty() ? read_text("-") : fmt::format("{}", fmt::join(options.words, " "));
  std::vector<Token> tokens;
  tokenizer.encode(text, tokens, {.name = options.words.empty() ? "standard input" : "the text"});
  const PrimeCodes codes(tokenizer);
  const number::PrimeBase base(static_cast<size_t>(codes.primes()));
  Json list = Json::array();
  std::string spelled;
  for (const Token token : tokens) {
    const Factored factored = factor_token(token, codes, base);
    spelled += factored.text;
    list.push_back(to_json(factored, tokenizer));
    if (!context.global.json)
      context.out.print("{}\t{}\t{} = {}\n", token, tokenizer.display(token),
                        factored.number.get_str(), fmt::join(factored.primes, " * "));
  }
  CHECK_MSG(spelled == text, "the factors of {} tokens spell another text", tokens.size());
  if (context.global.json)
    context.out.json({{"primes", codes.primes()}, {"tokens", list}, {"text", spelled}});
  return 0;
}

}  // namespace

void add_tokenizer_factor(Program& program, CLI::App& group) {
  CLI::App* command =
      add_command(program, group, "factor", "Tokens as products of primes, and back by factoring",
                  "  cllm tokenizer factor runs/demo \"Once upon a time\"\n"
                  "  echo -n \"One day\" | cllm tokenizer factor vocabulary --json");
  auto options = std::make_shared<FactorOptions>();
  command
      ->add_option("TOKENIZER", options->tokenizer,
                   "a run, a folder with a tokenizer, or a tokenizer.json")
      ->required();
  command->add_option("TEXT", options->words, "the text (default: standard input)");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return factor(*options, context); };
  });
}

}  // namespace cllm::cli
