#include "lattice/text.h"

#include "lattice_rig.h"

namespace cllm::lattice {
namespace {

TEST(Text, ReadsWhatFplllAndLatticegenWrite) {
  const IntegerMatrix expected = matrix_of("[[1 0][-3 44]]");
  EXPECT_EQ(expected(1, 0), -3);
  for (const char* text : {"[[1 0]\n[-3 44]]\n", "[[1 0 ]\n[-3 44 ]\n]\n", "[[1, 0], [-3, +44]]"})
    EXPECT_EQ(matrix_of(text), expected) << text;
  EXPECT_EQ(matrix_of(format_matrix(expected)), expected);
  EXPECT_EQ(format_matrix(expected), "[[1 0]\n[-3 44]]\n");
}

TEST(Text, HoldsNumbersOfAnySize) {
  const std::string digits = "-9" + std::string(100'000, '7');
  const IntegerMatrix matrix = matrix_of("[[" + digits + "]]");
  EXPECT_EQ(matrix(0, 0).get_str(), digits);
}

TEST(Text, ReadsRationalTargets) {
  const auto values = parse_values("[[1 0][0 1]] [0.25 -1/3 2e-1 +12 1.5E2]", "x");
  ASSERT_EQ(values.size(), 2u);
  const RationalVector target = rational_vector(values[1], "x");
  EXPECT_EQ(target[0], mpq_class("1/4"));
  EXPECT_EQ(target[1], mpq_class("-1/3"));
  EXPECT_EQ(target[2], mpq_class("1/5"));
  EXPECT_EQ(target[3], 12);
  EXPECT_EQ(target[4], 150);
}

TEST(Text, SaysWhereAndWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "holds no matrix"},
      {"[]", "the matrix is empty"},
      {"[[]]", "the matrix is empty"},
      {"[1 2]", "expected a matrix"},
      {"[[1 2]\n[3]]", "x:2: row 2 has 1 numbers, row 1 has 2"},
      {"[[1 a]]", "x:1: 'a' is not an integer"},
      {"[[1 0.5]]", "'0.5' is not an integer"},
      {"[[1 2", "ends before its closing"},
      {"[[1 2] 3]", "expected a row"},
      {"[[1 [2]]]", "a '[' inside a row"},
      {"1 2", "expected '['"},
      {"[[1]] [[2]]", "a second value"},
      {"[[1 \x01\xff]]", "'?\?' is not an integer"},
      {"[[--1]]", "'--1' is not"},
      {"[[-]]", "'-' is not"},
  };
  for (const auto& [text, part] : cases)
    EXPECT_TRUE(throws_error([text = text] { parse_basis(text, "x"); }, ErrorKind::kData, part))
        << text;
}

TEST(Text, RefusesTargetsThatAreNoNumbers) {
  for (const char* word : {"nan", "inf", "1e99999", "1/0", "1//2", ".", "1.2.3", "0x10", "1e"})
    EXPECT_TRUE(throws_error(
        [&] {
          const std::string text = fmt::format("[{}]", word);
          rational_vector(parse_values(text, "x").at(0), "x");
        },
        ErrorKind::kData, "is not a finite number"))
        << word;
}

}  // namespace
}  // namespace cllm::lattice
