// cllm primes spiral: draws a window of Ulam's spiral.
#include <algorithm>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "cli/picture.h"
#include "cli/program.h"
#include "number/natural.h"
#include "number/ulam.h"

namespace cllm::cli {
namespace {

struct SpiralOptions {
  int64_t size = 201;
  std::string center = "1";
  std::string by = "prime";
  int64_t modulus = 6;
  int64_t scale = 3;
  std::string png, svg;
};

// The rainbow at `turn` of its circle, dark enough for a white ground.
Color hue(double turn) {
  const auto channel = [&](double shift) {
    const double wave = 0.5 + 0.5 * std::cos(2 * 3.14159265358979323846 * (turn - shift));
    return static_cast<uint8_t>(std::lround(20 + 190 * wave));
  };
  return {channel(0), channel(1.0 / 3), channel(2.0 / 3)};
}

// From dark blue for primes to pale yellow for numbers with many factors.
Color depth(int factors) {
  const double t = std::min(1.0, (factors - 1) / 10.0);
  const auto mix = [&](double from, double to) {
    return static_cast<uint8_t>(std::lround(from + std::sqrt(t) * (to - from)));
  };
  return {mix(20, 250), mix(24, 236), mix(90, 180)};
}

CellPicture draw(const SpiralOptions& options, const std::vector<uint64_t>& numbers,
                 const std::vector<uint8_t>& primes) {
  CellPicture picture{options.size, options.size, {Color{}}, primes, {}};
  picture.title = fmt::format("Ulam's spiral around {}, by {}", options.center, options.by);
  if (options.by == "prime") {
    picture.palette.push_back({17, 17, 34});
  } else if (options.by == "residue") {
    for (int64_t residue = 0; residue < options.modulus; ++residue)
      picture.palette.push_back(
          hue(static_cast<double>(residue) / static_cast<double>(options.modulus)));
    const auto modulus = static_cast<uint64_t>(options.modulus);
    for (size_t i = 0; i < numbers.size(); ++i)
      if (primes[i] != 0) picture.cells[i] = static_cast<uint8_t>(1 + numbers[i] % modulus);
  } else {
    picture.cells = number::factor_count_marks(numbers);
    for (int factors = 1; factors <= 64; ++factors)
      picture.palette.push_back(depth(factors));
  }
  return picture;
}

void print_text(const CellPicture& picture, Output& out) {
  std::string text;
  for (size_t i = 0; i < picture.cells.size(); ++i) {
    text += picture.cells[i] == 0 ? '.' : '#';
    text += (i + 1) % static_cast<size_t>(picture.width) == 0 ? '\n' : ' ';
  }
  out.write(text);
}

int spiral(const SpiralOptions& options, ActionContext& context) {
  const uint64_t center = number::parse_natural(options.center, "--center");
  const std::vector<uint64_t> numbers =
      number::spiral_numbers(number::spiral_window(center, options.size));
  const std::vector<uint8_t> primes = number::prime_marks(numbers);
  const CellPicture picture = draw(options, numbers, primes);
  if (!options.png.empty()) write_file(options.png, png_of(picture, options.scale));
  if (!options.svg.empty()) write_file(options.svg, svg_of(picture, options.scale));
  const auto count = std::count(primes.begin(), primes.end(), 1);
  if (context.global.json) {
    nlohmann::ordered_json json = {
        {"center", center}, {"size", options.size}, {"numbers", numbers.size()}, {"primes", count}};
    if (!options.png.empty()) json["png"] = options.png;
    if (!options.svg.empty()) json["svg"] = options.svg;
    context.out.json(json);
  } else if (options.png.empty() && options.svg.empty()) {
    print_text(picture, context.out);
  } else {
    context.out.print("{} primes among {} numbers\n", count, numbers.size());
  }
  return 0;
}

}  // namespace

void add_primes_spiral(Program& program, CLI::App& primes) {
  CLI::App* command =
      add_command(program, primes, "spiral", "Draw Ulam's spiral",
                  "  cllm primes spiral --size 21\n"
                  "  cllm primes spiral --size 401 --by residue --modulus 30 --png spiral.png\n"
                  "  cllm primes spiral --center 1e15 --by factors --svg far.svg");
  auto options = std::make_shared<SpiralOptions>();
  command->add_option("--size", options->size, "cells to a side (default 201)")
      ->type_name("N")
      ->check(CLI::Range(1, 8192).description(""));
  command->add_option("--center", options->center, "the number in the middle (default 1)")
      ->type_name("N");
  command
      ->add_option("--by", options->by,
                   "colours: prime (marks), residue (primes by remainder) or factors (every number "
                   "by how many primes it is made of) (default prime)")
      ->type_name("WHAT")
      ->check(CLI::IsMember({"prime", "residue", "factors"}).description(""));
  command->add_option("--modulus", options->modulus, "of --by residue (default 6)")
      ->type_name("N")
      ->check(CLI::Range(1, 254).description(""));
  command->add_option("--scale", options->scale, "pixels to the side of a cell (default 3)")
      ->type_name("N")
      ->check(CLI::Range(1, 64).description(""));
  command->add_option("--png", options->png, "write a PNG")->type_name("FILE");
  command->add_option("--svg", options->svg, "write an SVG")->type_name("FILE");
  command->callback([&program, options] {
    program.action = [options](ActionContext& context) { return spiral(*options, context); };
  });
}

}  // namespace cllm::cli
