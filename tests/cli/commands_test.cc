// The smaller commands: eval, tokenizer, data, report, gradcheck, info, version.
#include <algorithm>
#include <cmath>

#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

using nlohmann::json;

using Eval = CommandTest;

TEST_F(Eval, OwnHeldOutTextGivesTheLossOfTheRun) {
  std::vector<std::string> command = tiny_training(in_folder("run"));
  command.insert(command.end(), {"--set", "evaluation.every=12", "--json"});
  command[static_cast<size_t>(std::ranges::find(command, "evaluation.windows=20") -
                              command.begin())] = "evaluation.windows=0";
  const json trained = parse_json(run_program(command));
  const json measured = parse_json(run_program({"eval", in_folder("run"), "--json"}));
  // Other batches, other sums; the windows are the same.
  EXPECT_NEAR(measured["loss"].get<double>(), trained["held_out"]["loss"].get<double>(), 1e-5);
  EXPECT_EQ(measured["tokens"], trained["held_out"]["tokens"]);
  EXPECT_NEAR(measured["perplexity"].get<double>(), std::exp(measured["loss"].get<double>()), 1e-6);
  EXPECT_EQ(parse_json(run_program({"eval", in_folder("run") + "/best", "--json"}))["loss"],
            measured["loss"]);
}

TEST_F(Eval, MeasuresGivenTexts) {
  const std::string run = make_run();
  write_file(in_folder("a.txt"), run_program({"data", "stories", "--bytes", "3000"}).out);
  const json whole =
      parse_json(run_program({"eval", run, "--data", in_folder("a.txt"), "--json", "--quiet"}));
  EXPECT_GT(whole["loss"], 0);
  EXPECT_EQ(whole["context_length"], 32);
  EXPECT_GE(whole["tokens"], 2900);
  const json piped = parse_json(run_program({"eval", run, "--data", "-", "--json"},
                                            {.input = read_file(in_folder("a.txt"))}));
  EXPECT_EQ(piped["loss"], whole["loss"]);
  const json part = parse_json(run_program({"eval", run, "--data", in_folder("a.txt"), "--windows",
                                            "3", "--batch-size", "1", "--json"}));
  EXPECT_EQ(part["tokens"], 3 * 32);
}

TEST_F(Eval, LeavesNothingBehind) {
  const std::string run = make_run();
  fs::create_directory(in_folder("scratch"));
  const ProgramOptions options{.environment = {"TMPDIR=" + in_folder("scratch")}};
  EXPECT_EQ(run_program({"eval", run, "--data", "stories"}, options).code, 0);
  EXPECT_NE(run_program({"eval", run, "--data", in_folder("missing")}, options).code, 0);
  EXPECT_TRUE(fs::is_empty(in_folder("scratch")));
}

TEST_F(Eval, SaysWhatIsMissing) {
  const std::string run = make_run();
  fs::copy(run + "/best/", in_folder("model"));
  fs::remove(folder_ / "model" / "manifest.json");
  EXPECT_EQ(run_program({"eval", in_folder("model")}).code, 2);
  EXPECT_EQ(run_program({"eval", run, "--data", in_folder("missing")}).code, 3);
  EXPECT_EQ(run_program({"eval", run, "--context-length", "64"}).code, 2);
}

using TokenizerCommand = CommandTest;

TEST_F(TokenizerCommand, EncodesAndDecodesByteForByte) {
  const std::string text = "One day, \xe2\x82\xac 5\n\n  and\tmore\n";
  write_file(in_folder("a.txt"), text);
  for (const char* kind : {"byte", "char", "bpe"}) {
    const std::string folder = in_folder(kind);
    const json made =
        parse_json(run_program({"tokenizer", "train", "--data", in_folder("a.txt"), "--kind", kind,
                                "--vocabulary-size", "260", "--out", folder, "--json"}));
    EXPECT_EQ(made["kind"], kind);
    const ProgramResult ids = run_program({"tokenizer", "encode", folder}, {.input = text});
    EXPECT_EQ(ids.code, 0) << ids.err;
    EXPECT_EQ(run_program({"tokenizer", "decode", folder}, {.input = ids.out}).out, text);
    const json inspected =
        parse_json(run_program({"tokenizer", "inspect", folder, "--vocabulary", "--json"}));
    EXPECT_EQ(inspected["hash"], made["hash"]);
    EXPECT_EQ(inspected["vocabulary"].size(), inspected["vocabulary_size"]);
  }
}

TEST_F(TokenizerCommand, TakesTextAndIdsAsArguments) {
  const std::string folder = in_folder("bytes");
  ASSERT_EQ(
      run_program({"tokenizer", "train", "--data", "stories", "--kind", "byte", "--out", folder})
          .code,
      0);
  EXPECT_EQ(run_program({"tokenizer", "encode", folder, "A B"}).out, "65 32 66\n");
  EXPECT_EQ(run_program({"tokenizer", "encode", folder + "/tokenizer.json", "A"}).out, "65\n");
  EXPECT_EQ(run_program({"tokenizer", "encode", folder, "<|endoftext|>", "--special"}).out,
            "256\n");
  EXPECT_EQ(run_program({"tokenizer", "decode", folder, "65", "66"}).out, "AB");
  const json pieces = parse_json(run_program({"tokenizer", "encode", folder, "AB", "--json"}));
  EXPECT_EQ(pieces["ids"], json({65, 66}));
  EXPECT_EQ(pieces["pieces"], json({"A", "B"}));
  expect_error(run_program({"tokenizer", "decode", folder, "6x"}), 2, "'6x'");
  expect_error(run_program({"tokenizer", "decode", folder, "9999"}), 3, "9999");
  expect_error(run_program({"tokenizer", "encode", in_folder("none"), "A"}), 3, "none");
  expect_error(
      run_program({"tokenizer", "train", "--data", "stories", "--kind", "byte", "--out", folder}),
      2, "--overwrite");
}

// The text is what the factors of the numbers spell; the command itself CHECKs it.
TEST_F(TokenizerCommand, FactorsTokensAndSpellsTheTextAgain) {
  const std::string text = "the then other \xe2\x82\xac the\n";
  write_file(in_folder("a.txt"), text + text);
  for (const char* kind : {"byte", "char", "bpe"}) {
    const std::string folder = in_folder(kind);
    ASSERT_EQ(run_program({"tokenizer", "train", "--data", in_folder("a.txt"), "--kind", kind,
                           "--vocabulary-size", "262", "--out", folder})
                  .code,
              0);
    const json factored =
        parse_json(run_program({"tokenizer", "factor", folder, "--json"}, {.input = text}));
    EXPECT_EQ(factored["text"], text);
    const json ids =
        parse_json(run_program({"tokenizer", "encode", folder, "--json"}, {.input = text}))["ids"];
    ASSERT_EQ(factored["tokens"].size(), ids.size());
    for (size_t i = 0; i < ids.size(); ++i) {
      const json& token = factored["tokens"][i];
      EXPECT_EQ(token["id"], ids[i]);
      EXPECT_GE(token["primes"].size(), 1u);
    }
  }
  const ProgramResult shown = run_program({"tokenizer", "factor", in_folder("char"), "t"});
  EXPECT_TRUE(contains(shown.out, "\tt\t")) << shown.out;
  EXPECT_TRUE(contains(shown.out, " = ")) << shown.out;
}

TEST_F(TokenizerCommand, ARunIsATokenizer) {
  const std::string run = make_run();
  const ProgramResult ids = run_program({"tokenizer", "encode", run, "One day"});
  EXPECT_EQ(run_program({"tokenizer", "decode", run}, {.input = ids.out}).out, "One day");
}

using DataCommand = CommandTest;

TEST_F(DataCommand, PreparesAndVerifies) {
  write_file(in_folder("a.txt"), "hello\n");
  write_file(in_folder("b.txt"), "world\n");
  ASSERT_EQ(run_program({"tokenizer", "train", "--data", in_folder("a.txt"), "--kind", "byte",
                         "--out", in_folder("bytes")})
                .code,
            0);
  const std::vector<std::string> command = {
      "data",        "prepare",          "--data", in_folder("a.txt"),    in_folder("b.txt"),
      "--tokenizer", in_folder("bytes"), "--out",  in_folder("prepared"), "--json"};
  const json made = parse_json(run_program(command));
  EXPECT_EQ(made["tokens"], 13);  // 6 + end of text + 6
  EXPECT_EQ(made["documents"], 2);
  const json seen = parse_json(run_program({"data", "inspect", in_folder("prepared"), "--json"}));
  EXPECT_EQ(seen["tokens"], 13);
  EXPECT_EQ(seen["vocabulary_hash"], made["vocabulary_hash"]);
  EXPECT_EQ(run_program({"data", "inspect", in_folder("prepared") + "/tokens-00000.tok"}).code, 0);
  EXPECT_EQ(run_program(command).code, 2);  // needs --overwrite
  std::string bytes = read_file(in_folder("prepared") + "/tokens-00000.tok");
  bytes[70] = static_cast<char>(bytes[70] ^ 1);
  write_file(in_folder("prepared") + "/tokens-00000.tok", bytes);
  EXPECT_EQ(run_program({"data", "inspect", in_folder("prepared")}).code, 3);
  EXPECT_EQ(run_program({"data", "inspect", in_folder("a.txt")}).code, 3);
  EXPECT_EQ(run_program({"data", "inspect", in_folder("vocabulary")}).code, 2);
}

TEST_F(DataCommand, OverwriteSparesFoldersThatHoldSomethingElse) {
  write_file(in_folder("a.txt"), "hello\n");
  const ProgramResult result =
      run_program({"data", "prepare", "--data", in_folder("a.txt"), "--tokenizer", in_folder("x"),
                   "--out", folder_.string(), "--overwrite"});
  EXPECT_EQ(result.code, 2);
  EXPECT_TRUE(contains(result.err, "is not empty")) << result.err;
}

TEST_F(DataCommand, StoriesFollowTheGrammarAndOtherTextDoesNot) {
  const ProgramResult stories = run_program({"data", "stories", "--bytes", "5k", "--seed", "3"});
  EXPECT_GE(stories.out.size(), 5000);
  EXPECT_NE(stories.out, run_program({"data", "stories", "--bytes", "5k", "--seed", "4"}).out);
  EXPECT_NE(stories.out, run_program({"data", "stories", "--bytes", "5k", "--seed", "3", "--split",
                                      "validation"})
                             .out);
  const json good =
      parse_json(run_program({"data", "score", "-", "--json"}, {.input = stories.out}));
  EXPECT_EQ(good["share"], 1.0);
  EXPECT_GT(good["sentences"], 10);
  const json bad =
      parse_json(run_program({"data", "score", "--json"}, {.input = "Green ideas sleep. "}));
  EXPECT_EQ(bad["share"], 0.0);
  EXPECT_EQ(run_program({"data", "score"}, {.input = "no sentence"}).code, 3);
  // The newline that ends an output does not end a sentence that is cut off.
  const std::string cut = stories.out.substr(0, stories.out.find('\n')) + " One day, Green";
  for (const char* end : {"", "\n"})
    EXPECT_EQ(parse_json(run_program({"data", "score", "--json"}, {.input = cut + end}))["share"],
              1.0);
  EXPECT_LT(parse_json(run_program({"data", "score", "--json"}, {.input = cut + "\n\n"}))["share"],
            1.0);
}

using Report = CommandTest;

TEST_F(Report, RewritesPictureAndTable) {
  const std::string run = make_run();
  const std::string picture = read_file(run + "/report.svg");
  fs::remove(run + "/report.svg");
  fs::remove(run + "/metrics.csv");
  const json report = parse_json(run_program({"report", run, "--json"}));
  EXPECT_EQ(report["steps"], 12);
  EXPECT_EQ(report["best"]["step"], 12);
  EXPECT_EQ(read_file(report["report"].get<std::string>()), picture);
  EXPECT_TRUE(fs::exists(run + "/metrics.csv"));
  EXPECT_TRUE(contains(run_program({"report", run}).out, "best held-out loss"));
  EXPECT_EQ(run_program({"report", folder_.string()}).code, 2);
}

TEST(Gradcheck, AcceptsTheEngine) {
  for (const char* preset : {"nano", "llama-15m"}) {
    const json report =
        parse_json(run_program({"gradcheck", "--preset", preset, "--tokens", "8", "--json"}));
    EXPECT_EQ(report["ok"], true);
    EXPECT_GT(report["rows"].size(), 20);
  }
  const json memory = parse_json(
      run_program({"gradcheck", "--preset", "nano", "--tokens", "8", "--set", "model.ngram_order=3",
                   "--set", "model.ngram_dropout=0.3", "--json"}));
  EXPECT_EQ(memory["ok"], true);
  int rows = 0;
  for (const json& row : memory["rows"])
    rows += contains(row["parameter"], "embedding.ngram.");
  EXPECT_EQ(rows, 8) << "two tables of bigrams, two of trigrams, along two directions each";
  EXPECT_EQ(run_program({"gradcheck", CLLM_GOLDEN_FOLDER "/llama-tiny"}).code, 0);
  expect_error(run_program({"gradcheck", "--preset", "bany"}), 2, "'baby'");
}

TEST(Info, NamesTheChosenInstructionSet) {
  const json info =
      parse_json(run_program({"info", "--json"}, {.environment = {"CLLM_ISA=scalar"}}));
  EXPECT_EQ(info["instruction_set"], "scalar");
  EXPECT_EQ(info["instruction_set_reason"], "CLLM_ISA");
  EXPECT_GE(info["threads"], 1);
  EXPECT_TRUE(contains(run_program({"info"}).out, "threads"));
  expect_error(run_program({"info"}, {.environment = {"CLLM_ISA=mmx"}}), 2, "mmx");
}

TEST(Version, IsOneLine) {
  const ProgramResult result = run_program({"version"});
  EXPECT_TRUE(result.out.starts_with("cllm ")) << result.out;
  EXPECT_EQ(result.out.find('\n'), result.out.size() - 1);
  EXPECT_EQ(run_program({"--version"}).out, result.out);
}

}  // namespace
}  // namespace cllm::cli
