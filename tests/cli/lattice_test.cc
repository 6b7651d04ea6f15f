// cllm lattice: pipes from and to fplll's programs, results, and one line for every mistake.
#include <fmt/format.h>

#include <csignal>
#include <cstdlib>

#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

class Lattice : public CommandTest {
 protected:
  // A shell command in the test's folder; cllm is the program under test.
  ProgramResult shell(const std::string& command) const {
    const std::string line = "cd '" + folder_.string() +
                             "' && cllm() { '" CLLM_PROGRAM "' \"$@\"; } && { " + command +
                             "; } >shell.out 2>shell.err";
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(folder_ / "shell.out"),
            read_file(folder_ / "shell.err")};
  }
  static bool has_fplll() {
    return std::system("command -v fplll latticegen >/dev/null 2>&1") == 0;
  }
};

TEST_F(Lattice, PipesWithFplll) {
  if (!has_fplll()) GTEST_SKIP() << "fplll and latticegen are not installed";
  const ProgramResult piped = shell(
      "latticegen -randseed 1 q 30 15 20 p > basis && cllm lattice reduce < basis > reduced && "
      "cllm lattice verify reduced --reduced --same-as basis && fplll -a svp reduced > theirs "
      "&& cllm lattice svp basis > ours && cat ours theirs");
  EXPECT_EQ(piped.code, 0) << piped.err;
  EXPECT_TRUE(piped.out.starts_with("reduced: yes\nsame lattice: yes\n[")) << piped.out;
  EXPECT_EQ(shell("fplll -a bkz -b 10 basis | cllm lattice verify").out, "reduced: yes\n");
  EXPECT_EQ(shell("cllm lattice reduce basis --block 10 --transform u | fplll -a lll >back").code,
            0);
}

TEST_F(Lattice, ReducesAndReports) {
  const json reduced =
      parse_json(run_program({"lattice", "reduce", "--json"}, {.input = "[[201 37][1648 297]]"}));
  EXPECT_EQ(reduced["rows"], 2);
  EXPECT_EQ(reduced["first_norm2"], "1025");
  EXPECT_EQ(reduced["basis"].size(), 2u);
  const json shortest =
      parse_json(run_program({"lattice", "svp", "--json"}, {.input = "[[201 37][1648 297]]"}));
  EXPECT_EQ(shortest["norm2"], "1025");
}

TEST_F(Lattice, FindsClosestVectors) {
  const std::string problem = "[[1 0][0 3]] [0.4 5] [[1 1][1/3 1e1]]";
  EXPECT_EQ(run_program({"lattice", "cvp"}, {.input = problem}).out, "[0 6]\n[1 0]\n[0 9]\n");
  for (const char* method : {"plane", "k-best", "rounding"})
    EXPECT_EQ(run_program({"lattice", "cvp", "--method", method}, {.input = problem}).out,
              "[0 6]\n[1 0]\n[0 9]\n");
  write_file(in_folder("basis"), "[[2 0][0 2]]");
  const json found = parse_json(
      run_program({"lattice", "cvp", in_folder("basis"), "--target", "0.5 2.5", "--json"}));
  EXPECT_EQ(found["closest"][0]["vector"], json({"0", "2"}));
  EXPECT_EQ(found["closest"][0]["distance2"], "1/2");
  EXPECT_EQ(run_program({"lattice", "verify", in_folder("basis"), "--closest", "0 2", "--target",
                         "0.5 2.5", "--member", "[4 -2]"})
                .out,
            "member: yes\nclosest: yes\n");
}

TEST_F(Lattice, VerifyDenies) {
  const ProgramResult denied =
      run_program({"lattice", "verify"}, {.input = "[[201 37][1648 297]]"});
  EXPECT_EQ(denied.code, 1);
  EXPECT_EQ(denied.out, "reduced: NO\n");
  EXPECT_TRUE(contains(denied.err, "|mu(2, 1)|")) << denied.err;
  const ProgramResult odd =
      run_program({"lattice", "verify", "--member", "1 1", "--json"}, {.input = "[[2 0][0 2]]"});
  EXPECT_EQ(odd.code, 1);
  EXPECT_EQ(json::parse(odd.out)["ok"], false);
}

TEST_F(Lattice, ClassicalLattices) {
  EXPECT_TRUE(contains(run_program({"lattice", "kissing", "leech"}).out, "196560"));
  EXPECT_EQ(run_program({"lattice", "kissing", "e8", "--index", "239"}).out,
            "[-1 -1 -1 -1 -1 -1 -1 -1]\n");
  EXPECT_EQ(run_program({"lattice", "kissing", "e8", "--find", "-1 -1 -1 -1 -1 -1 -1 -1"}).out,
            "239\n");
  const json facts = parse_json(
      run_program({"lattice", "kissing", "d4", "--shells", "4", "--moment", "1000", "--json"}));
  EXPECT_EQ(facts["shells"][1]["vectors"], 24);
  EXPECT_GT(facts["standard_error"], 0);
  EXPECT_EQ(run_program({"lattice", "decode", "d4"}, {.input = "[0.3 1.2 -0.7 2.9]"}).out,
            "[0 1 0 3]\n");
  EXPECT_EQ(parse_json(run_program({"lattice", "decode", "a2", "--json"},
                                   {.input = "[[0.9 1.2]]"}))["points"][0]["point"],
            json({1, 1}));
  for (const char* kind : {"a2", "d4", "e8", "bw16"})
    EXPECT_EQ(run_program({"lattice", "generate", kind}).code, 0) << kind;
}

TEST_F(Lattice, GeneratesTheSameBasisAgain) {
  const std::vector<std::string> command = {"lattice", "generate", "knapsack", "--rows",
                                            "5",       "--seed",   "3"};
  const ProgramResult first = run_program(command);
  EXPECT_EQ(first.out, run_program(command).out);
  EXPECT_TRUE(first.out.starts_with("[[")) << first.out;
}

TEST_F(Lattice, MistakesAreOneLine) {
  const auto refused = [](const std::vector<std::string>& words, const std::string& input, int code,
                          const std::string& part) {
    std::vector<std::string> all = {"lattice"};
    all.insert(all.end(), words.begin(), words.end());
    expect_error(run_program(all, {.input = input}), code, part);
  };
  for (const char* command : {"reduce", "svp"}) {
    refused({command}, "[[1 2][2 4]]", 3, "linearly dependent");
    refused({command}, "[[1 2][3]]", 3, "row 2 has 1 numbers");
    refused({command}, "[[1 two]]", 3, "'two' is not an integer");
    refused({command}, "", 3, "holds no matrix");
    refused({command}, "[]", 3, "empty");
    refused({command}, "[[1 2", 3, "ends before");
    refused({command}, fmt::format("[[1{:0<1000000} 1][0 1]]", ""), 3, "bits");
  }
  refused({"reduce", "--delta", "1.5"}, "[[1]]", 2, "delta");
  refused({"cvp"}, "[[1 0][0 1]] [nan 1]", 3, "'nan' is not a finite number");
  refused({"cvp"}, "[[1 0][0 1]] [1]", 3, "1 numbers for a basis of 2");
  refused({"cvp"}, "[[1 0][0 1]]", 3, "no target");
  refused({"cvp", "--method", "k-best", "--width", "0"}, "[[1]] [1]", 2, "width");
  refused({"verify", "--closest", "1"}, "[[1]]", 2, "--target");
  refused({"decode", "e8"}, "[1 2]", 3, "e8 has 8 coordinates");
  refused({"decode", "a2"}, "[1e300 2]", 3, "too large");
  refused({"decode", "e7"}, "[1]", 2, "there is no 'e7'");
  refused({"kissing", "e8", "--index", "240"}, "", 2, "240");
  refused({"kissing", "e8", "--shells", "nan"}, "", 2, "norm");
  refused({"kissing", "e8", "--moment", "1"}, "", 2, "--moment");
  refused({"generate", "magic"}, "", 2, "goldstein-mayer");
  refused({"generate", "uniform", "--rows", "0"}, "", 2, "rows");
  refused({"generate", "uniform", "--rows", "1000000000"}, "", 5, "GiB");
}

// Wherever memory ends, from a program that can hardly start to one that has all it needs.
TEST_F(Lattice, LackOfMemoryIsOneLine) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "sanitizers need more address space than this test leaves";
#endif
  // 54 MB of numbers.
  std::string row = "[";
  for (int i = 0; i < 300; ++i)
    row += std::string(600, '9') + " ";
  std::string text = "[";
  for (int i = 0; i < 300; ++i)
    text += row + "]";
  // With memory enough the last row is what is refused.
  write_file(in_folder("basis"), text + "[1]]");
  const auto limited = [&](int64_t kibibytes, const std::string& command) {
    return shell(fmt::format("ulimit -v {}; cllm {}", kibibytes, command));
  };
  // What the program takes before it reads anything differs from machine to machine.
  int64_t least = 16'000;
  while (limited(least, "version").code != 0 && least < 4'000'000)
    least += 4'000;
  int lacking = 0;
  for (int64_t more = 4'000; more <= 324'000; more = 3 * more) {
    const ProgramResult result = limited(least + more, "lattice verify basis");
    lacking += result.code == 5;
    expect_error(result, result.code == 5 ? 5 : 3,
                 result.code == 5 ? "out of memory" : "row 301 has 1 numbers");
  }
  EXPECT_GE(lacking, 3);
}

TEST_F(Lattice, ControlCEndsASearch) {
  write_file(
      in_folder("basis"),
      run_program({"lattice", "generate", "goldstein-mayer", "--rows", "90", "--bits", "900"}).out);
  RunningProgram search({"lattice", "svp", in_folder("basis")});
  ::usleep(500'000);
  search.signal(SIGINT);
  const ProgramResult result = search.wait();
  EXPECT_EQ(result.code, 128 + SIGINT);
  EXPECT_TRUE(contains(result.err, "stopped by signal 2")) << result.err;
}

// A block of 70 is one call of fplll that takes hours and cannot be asked to stop.
TEST_F(Lattice, ControlCEndsACallOfFplll) {
  write_file(
      in_folder("basis"),
      run_program({"lattice", "generate", "goldstein-mayer", "--rows", "80", "--bits", "200"}).out);
  RunningProgram search({"lattice", "reduce", in_folder("basis"), "--block", "75"});
  ::usleep(1'500'000);
  search.signal(SIGTERM);
  const ProgramResult result = search.wait();
  EXPECT_EQ(result.code, 128 + SIGTERM);
  EXPECT_EQ(result.err, "cllm: stopped by signal 15\n");
  EXPECT_EQ(result.out, "");
}

TEST_F(Lattice, DevicesAndPipesAreWrittenTo) {
  const ProgramResult piped = shell(
      "mkfifo pipe && { echo '[[1 2][3 4]]' | cllm lattice reduce --transform pipe >/dev/null "
      "& } && cat pipe && wait && test -p pipe");
  EXPECT_EQ(piped.code, 0) << piped.err;
  EXPECT_TRUE(piped.out.starts_with("[[")) << piped.out;
}

}  // namespace
}  // namespace cllm::cli
