// cllm primes: results, pictures that libpng can read, and one line for every mistake.
#include <png.h>

#include <map>
#include <set>

#include "cli/tiny_run.h"
#include "number/factor.h"
#include "number/ulam.h"

namespace cllm::cli {
namespace {

TEST(Primes, CountsAndNames) {
  EXPECT_EQ(run_program({"primes", "count", "1e6"}).out, "78498\n");
  EXPECT_EQ(run_program({"primes", "count", "10", "30"}).out, "6\n");
  EXPECT_EQ(run_program({"primes", "nth", "1e3", "--threads", "1"}).out, "7919\n");
  const nlohmann::json json = parse_json(run_program({"primes", "count", "100", "--json"}));
  EXPECT_EQ(json["count"], 25);
  EXPECT_EQ(json["last"], 100);
  EXPECT_EQ(parse_json(run_program({"primes", "nth", "6", "--json"}))["prime"], 13);
}

TEST(Primes, Lists) {
  EXPECT_EQ(run_program({"primes", "list", "10"}).out, "2\n3\n5\n7\n");
  EXPECT_EQ(run_program({"primes", "list", "90", "100"}).out, "97\n");
  EXPECT_EQ(run_program({"primes", "list", "8", "10"}).out, "");
  EXPECT_EQ(parse_json(run_program({"primes", "list", "10", "--json"}))["primes"],
            nlohmann::json({2, 3, 5, 7}));
}

TEST(Primes, FactorsAnyNumberOf64Bits) {
  EXPECT_EQ(run_program({"primes", "factor", "0", "1", "97", "360"}).out,
            "0:\n1:\n97: 97\n360: 2 2 2 3 3 5\n");
  EXPECT_EQ(run_program({"primes", "factor"}, {.input = "18446744073709551615\n4\n"}).out,
            "18446744073709551615: 3 5 17 257 641 65537 6700417\n4: 2 2\n");
  const nlohmann::json json = parse_json(run_program({"primes", "factor", "12", "--json"}));
  EXPECT_EQ(json[0]["factors"][0]["exponent"], 2);
  EXPECT_EQ(json[0]["prime"], false);
}

TEST(Primes, MistakesAreOneLine) {
  expect_error(run_program({"primes"}), 2, "count, list, nth, factor, spiral");
  expect_error(run_program({"primes", "count", "ten"}), 2, "'ten' is no whole number");
  expect_error(run_program({"primes", "count"}), 2, "NUMBER");
  expect_error(run_program({"primes", "nth", "0"}), 2, "no such prime");
  expect_error(run_program({"primes", "nth", "2e19"}), 2, "beyond 2^64 - 1");
  expect_error(run_program({"primes", "factor", "18446744073709551616"}), 2, "beyond 2^64 - 1");
  expect_error(run_program({"primes", "factor", std::string(100000, '7')}), 2, "beyond 2^64 - 1");
  expect_error(run_program({"primes", "list", "1e19", "--json"}), 5, "smaller range");
  expect_error(run_program({"primes", "spiral", "--size", "0"}), 2, "--size");
  expect_error(run_program({"primes", "spiral", "--by", "mood"}), 2, "mood");
  expect_error(run_program({"primes", "spiral", "--center", "0"}), 2, "begins with 1");
  expect_error(run_program({"primes", "spiral", "--center", "18446744073709551615"}), 2, "2^64");
  expect_error(run_program({"primes", "spiral", "--png", "/nowhere/at/all.png"}), 1, "all.png");
  expect_error(run_program({"primes", "spiral", "--size", "8192", "--scale", "64", "--png", "x"}),
               5, "too many");
}

class Spiral : public CommandTest {
 protected:
  // The pixels of a PNG, three bytes each.
  static std::vector<uint8_t> decoded(const std::string& path, uint32_t* width) {
    png_image image = {};
    image.version = PNG_IMAGE_VERSION;
    EXPECT_NE(png_image_begin_read_from_file(&image, path.c_str()), 0) << image.message;
    image.format = PNG_FORMAT_RGB;
    std::vector<uint8_t> pixels(PNG_IMAGE_SIZE(image));
    EXPECT_NE(png_image_finish_read(&image, nullptr, pixels.data(), 0, nullptr), 0);
    *width = image.width;
    return pixels;
  }
};

TEST_F(Spiral, PrintsText) {
  EXPECT_EQ(run_program({"primes", "spiral", "--size", "5"}).out,
            "# . . . #\n. # . # .\n# . . # #\n. # . . .\n. . # . .\n");
  const nlohmann::json json =
      parse_json(run_program({"primes", "spiral", "--size", "11", "--json"}));
  EXPECT_EQ(json["numbers"], 121);
  EXPECT_EQ(json["primes"], 30);  // up to 121
}

TEST_F(Spiral, PngHoldsTheMarks) {
  const std::string png = in_folder("spiral.png");
  const ProgramResult result = run_program(
      {"primes", "spiral", "--size", "21", "--center", "1e12", "--scale", "2", "--png", png});
  ASSERT_EQ(result.code, 0) << result.err;
  uint32_t width = 0;
  const std::vector<uint8_t> pixels = decoded(png, &width);
  ASSERT_EQ(width, 42u);
  ASSERT_EQ(pixels.size(), 42u * 42u * 3u);
  const std::vector<uint64_t> numbers =
      number::spiral_numbers(number::spiral_window(1000000000000, 21));
  for (size_t y = 0; y < 42; ++y)
    for (size_t x = 0; x < 42; ++x) {
      const bool dark = pixels[3 * (y * 42 + x)] < 128;
      ASSERT_EQ(dark, number::is_prime(numbers[y / 2 * 21 + x / 2]));
    }
}

TEST_F(Spiral, ColoursTellResiduesAndFactorCountsApart) {
  const std::string residues = in_folder("residues.png"), factors = in_folder("factors.png");
  const std::string svg = in_folder("factors.svg");
  ASSERT_EQ(run_program({"primes", "spiral", "--size", "31", "--by", "residue", "--modulus", "8",
                         "--scale", "1", "--png", residues})
                .code,
            0);
  ASSERT_EQ(run_program({"primes", "spiral", "--size", "31", "--by", "factors", "--scale", "1",
                         "--png", factors, "--svg", svg})
                .code,
            0);
  uint32_t width = 0;
  const auto colors_of = [&](const std::string& file, auto key) {
    const std::vector<uint8_t> pixels = decoded(file, &width);
    const std::vector<uint64_t> numbers = number::spiral_numbers(number::spiral_window(1, 31));
    std::map<int64_t, std::set<std::string>> colors;
    for (size_t i = 0; i < numbers.size(); ++i)
      colors[key(numbers[i])].insert(
          std::string(pixels.begin() + static_cast<ptrdiff_t>(3 * i),
                      pixels.begin() + static_cast<ptrdiff_t>(3 * i + 3)));
    std::set<std::string> all;
    for (const auto& [value, seen] : colors) {
      EXPECT_EQ(seen.size(), 1u) << value;                     // one colour for each value,
      EXPECT_TRUE(all.insert(*seen.begin()).second) << value;  // and none for two
    }
    return colors.size();
  };
  // 2 and the odd residues of 8, and what is not prime; Omega of the numbers up to 961: 0 to 9.
  EXPECT_EQ(colors_of(residues,
                      [](uint64_t n) -> int64_t {
                        return number::is_prime(n) ? static_cast<int64_t>(n % 8) : -1;
                      }),
            6u);
  EXPECT_EQ(colors_of(factors, [](uint64_t n) -> int64_t { return number::factor_count(n); }), 10u);
  const std::string text = read_file(svg);
  EXPECT_TRUE(text.starts_with("<svg xmlns="));
  EXPECT_TRUE(text.ends_with("</svg>\n"));
  size_t paths = 0;
  for (size_t at = text.find("<path"); at != std::string::npos; at = text.find("<path", at + 1))
    ++paths;
  EXPECT_EQ(paths, 9u);  // all but the background, which is the number 1
}

}  // namespace
}  // namespace cllm::cli
