#include "cli/tiny_run.h"

namespace cllm::cli {
namespace {

const std::string kLlama = std::string(CLLM_GOLDEN_FOLDER) + "/llama-tiny";
const std::string kGpt2 = std::string(CLLM_GOLDEN_FOLDER) + "/gpt2-tiny";

class Generate : public CommandTest {
 protected:
  std::string byte_tokenizer() {
    const std::string folder = in_folder("bytes");
    EXPECT_EQ(
        run_program({"tokenizer", "train", "--data", "stories", "--kind", "byte", "--out", folder})
            .code,
        0);
    return folder;
  }
  // Without an end of text, so that a model of random weights goes on.
  std::string endless_tokenizer() {
    write_file(in_folder("a.txt"), "aaaa bbbb aaaa bbbb");
    EXPECT_EQ(run_program({"tokenizer", "train", "--data", in_folder("a.txt"), "--kind", "bpe",
                           "--vocabulary-size", "259", "--out", in_folder("bpe")})
                  .code,
              0);
    const std::string file = in_folder("bpe") + "/tokenizer.json";
    nlohmann::ordered_json json = nlohmann::ordered_json::parse(read_file(file));
    json["added_tokens"] = nlohmann::ordered_json::array();
    json["model"]["vocab"].erase("<|endoftext|>");
    write_file(in_folder("endless.json"), json.dump());
    return in_folder("endless.json");
  }
};

bool is_utf8(const std::string& text) {
  try {
    (void)nlohmann::json(text).dump();
    return true;
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

TEST_F(Generate, PrintsPromptAndTextAndTimesOnStandardError) {
  const std::string run = make_run();
  const ProgramResult text = run_program({"generate", run, "--prompt", "One", "--max-tokens", "9"});
  EXPECT_EQ(text.code, 0);
  EXPECT_TRUE(text.out.starts_with("One")) << text.out;
  EXPECT_TRUE(text.out.ends_with("\n"));
  EXPECT_TRUE(contains(text.err, "tokens/s")) << text.err;
  const nlohmann::json json =
      parse_json(run_program({"generate", run, "--prompt", "One", "--max-tokens", "9", "--json"}));
  EXPECT_EQ("One" + json["text"].get<std::string>() + "\n", text.out);
  EXPECT_EQ(json["prompt"], "One");
  EXPECT_EQ(json["prompt_tokens"], 3);
  EXPECT_EQ(json["tokens"], 9);
  EXPECT_EQ(json["reason"], "length");
  const ProgramResult silent = run_program(
      {"generate", run, "--prompt", "One", "--max-tokens", "9", "--no-echo", "--quiet"});
  EXPECT_EQ("One" + silent.out, text.out);
  EXPECT_EQ(silent.err, "");
}

TEST_F(Generate, SeedDecidesAndThreadsDoNot) {
  const std::string run = make_run();
  const auto text = [&](const std::string& seed, const std::string& threads) {
    return run_program(
               {"generate", run, "--seed", seed, "--threads", threads, "--max-tokens", "30"})
        .out;
  };
  EXPECT_EQ(text("1", "1"), text("1", "3"));
  EXPECT_NE(text("1", "1"), text("2", "1"));
}

TEST_F(Generate, TakesRunCheckpointAndModelFolder) {
  const std::string run = make_run();
  const std::string text = run_program({"generate", run}).out;
  EXPECT_EQ(run_program({"generate", run + "/best"}).out, text);
  EXPECT_EQ(run_program({"generate", run + "/checkpoints/step-000012"}).out, text);
  fs::copy(run + "/best/", in_folder("model"));
  fs::remove(folder_ / "model" / "manifest.json");
  fs::remove(folder_ / "model" / "state.json");
  fs::remove(folder_ / "model" / "optimizer.safetensors");
  EXPECT_EQ(run_program({"generate", in_folder("model")}).out, text);
}

TEST_F(Generate, ModelsOfOthersNeedATokenizer) {
  const std::string tokenizer = byte_tokenizer();
  for (const std::string& model : {kLlama, kGpt2}) {
    expect_error(run_program({"generate", model}), 2, "--tokenizer PATH");
    const ProgramResult result = run_program({"generate", model, "--tokenizer", tokenizer,
                                              "--prompt", "h\xc3\xa9", "--max-tokens", "60"});
    EXPECT_EQ(result.code, 0) << result.err;
    EXPECT_TRUE(result.out.starts_with("h\xc3\xa9"));
    EXPECT_TRUE(is_utf8(result.out));
  }
}

// The model of random weights emits random bytes: whatever has arrived at any time is whole
// characters.
TEST_F(Generate, StreamsWholeCharacters) {
  RunningProgram program({"generate", kLlama, "--tokenizer", endless_tokenizer(), "--temperature",
                          "3", "--top-k", "0", "--min-p", "0", "--top-p", "1", "--max-tokens",
                          "100000000"});
  size_t length = 0;
  for (int arrivals = 0; arrivals < 20;) {
    const std::string text = program.out();
    ASSERT_TRUE(is_utf8(text));
    if (text.size() > length) ++arrivals;
    length = text.size();
    ASSERT_TRUE(program.runs()) << program.err();
    ::usleep(1000);
  }
}

TEST_F(Generate, StopsAtAStopString) {
  const std::string run = make_run();
  const std::vector<std::string> command = {"generate", run, "--json", "--max-tokens", "200"};
  const std::string text = parse_json(run_program(command))["text"];
  ASSERT_GT(text.size(), 20);
  const std::string stop = text.substr(10, 2);
  std::vector<std::string> stopped = command;
  stopped.insert(stopped.end(), {"--stop", stop, "--stop", "\\n\\n"});
  const nlohmann::json json = parse_json(run_program(stopped));
  EXPECT_EQ(json["reason"], "stop_string");
  EXPECT_EQ(json["text"], text.substr(0, text.find(stop)));
}

TEST_F(Generate, EscapesAreUnderstoodOnRequest) {
  const std::string tokenizer = byte_tokenizer();
  const auto prompt = [&](const std::string& text, bool escapes) {
    std::vector<std::string> command = {"generate",     kLlama, "--tokenizer", tokenizer, "--json",
                                        "--max-tokens", "1",    "--prompt",    text};
    if (escapes) command.emplace_back("--escapes");
    return parse_json(run_program(command))["prompt"].get<std::string>();
  };
  EXPECT_EQ(prompt("a\\n\\t\\\\b", true), "a\n\t\\b");
  EXPECT_EQ(prompt("a\\n\\q", false), "a\\n\\q");
  expect_error(run_program({"generate", kLlama, "--escapes", "--prompt", "a\\q"}), 2, "'\\q'");
}

TEST_F(Generate, PromptFromFileOrStandardInput) {
  const std::string run = make_run();
  const auto prompt = [&](const std::vector<std::string>& words, const std::string& input) {
    std::vector<std::string> command = {"generate", run, "--json"};
    command.insert(command.end(), words.begin(), words.end());
    return parse_json(run_program(command, {.input = input}))["prompt"].get<std::string>();
  };
  write_file(in_folder("prompt.txt"), "Once upon");
  EXPECT_EQ(prompt({"--prompt-file", in_folder("prompt.txt")}, ""), "Once upon");
  EXPECT_EQ(prompt({"--prompt", "-"}, "A day"), "A day");
  EXPECT_EQ(prompt({"--prompt-file", "-"}, "A day"), "A day");
  EXPECT_EQ(prompt({}, "not read"), "");
  expect_error(run_program({"generate", run, "--prompt", "a", "--prompt-file", "b"}), 2,
               "excludes");
}

// A line's text is what it gets alone, whatever is decoded beside it.
TEST_F(Generate, PromptsAreTheLinesOfAFile) {
  const std::string run = make_run();
  const std::string file = in_folder("prompts.txt");
  write_file(file, "One\r\n\nThe cat sat\nOne day");
  const auto all = [&](const std::vector<std::string>& words) {
    std::vector<std::string> command = {"generate", run, "--max-tokens", "20", "--json"};
    command.insert(command.end(), words.begin(), words.end());
    return parse_json(run_program(command, {.input = "One\n\nThe cat sat\nOne day\n"}));
  };
  for (const char* weights : {"fp32", "bf16", "int8"}) {
    const nlohmann::json together = all({"--prompts", file, "--weights", weights});
    ASSERT_EQ(together.size(), 4u);
    for (const size_t i : {size_t{0}, size_t{1}, size_t{2}, size_t{3}}) {
      const std::string prompt = together[i]["prompt"];
      EXPECT_EQ(prompt, std::vector<std::string>({"One", "", "The cat sat", "One day"})[i]);
      EXPECT_EQ(together[i]["text"], all({"--prompt", prompt, "--weights", weights})["text"]);
      EXPECT_EQ(together[i]["tokens"], 20);
    }
    const nlohmann::json pairs = all({"--prompts", "-", "--weights", weights, "--batch", "2"});
    ASSERT_EQ(pairs.size(), 4u);
    for (size_t i = 0; i < 4; ++i)
      EXPECT_EQ(pairs[i]["text"], together[i]["text"]);
  }
}

TEST_F(Generate, TextsOfPromptsHaveAnEmptyLineBetween) {
  const std::string run = make_run();
  const auto text = [&](const std::vector<std::string>& words) {
    std::vector<std::string> command = {"generate", run, "--max-tokens", "8"};
    command.insert(command.end(), words.begin(), words.end());
    const ProgramResult result = run_program(command, {.input = "One\nTwo\n"});
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  const std::string one = text({"--prompt", "One"}), two = text({"--prompt", "Two"});
  EXPECT_EQ(text({"--prompts", "-"}), one + "\n" + two);
  EXPECT_EQ("One" + text({"--prompts", "-", "--no-echo", "--batch", "1"}),
            one + "\n" + two.substr(3));
}

TEST_F(Generate, OnePromptOfAFileIsAnArrayToo) {
  const nlohmann::json json = parse_json(run_program(
      {"generate", make_run(), "--prompts", "-", "--max-tokens", "2", "--json"}, {.input = "a"}));
  ASSERT_TRUE(json.is_array());
  EXPECT_EQ(json.size(), 1u);
}

TEST_F(Generate, NamesTheLineOfABadPrompt) {
  const std::string run = make_run(), file = in_folder("prompts.txt");
  write_file(file, "One\n\nTwo \\q\n");
  const std::vector<std::string> command = {"generate", run, "--prompts", file, "--escapes"};
  expect_error(run_program(command), 2, file + ":3: unknown escape");
  write_file(file, "");
  expect_error(run_program(command), 3, "no prompt in it");
  expect_error(run_program({"generate", run, "--prompts", in_folder("missing")}), 3, "missing");
  expect_error(run_program({"generate", run, "--prompts", file, "--prompt", "a"}), 2, "excludes");
  expect_error(run_program({"generate", run, "--prompts", file, "--prompt-file", file}), 2,
               "excludes");
}

TEST_F(Generate, WarnsOnceOfPromptsThatAreTooLong) {
  const ProgramResult result =
      run_program({"generate", make_run(), "--prompts", "-", "--max-tokens", "2"},
                  {.input = std::string(50, 'a') + "\nb\n" + std::string(40, 'c') + "\n"});
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_TRUE(contains(result.err, "2 of 3 prompts have more than 32 tokens, up to 50"))
      << result.err;
}

// A shortlist of every token changes no byte, one of many no text here; what it does not serve is
// refused before anything is read.
TEST_F(Generate, ShortlistChoosesFromAFewTokens) {
  const std::string run = make_run();
  const auto text = [&](const std::vector<std::string>& words) {
    std::vector<std::string> command = {"generate", run, "--max-tokens", "30"};
    command.insert(command.end(), words.begin(), words.end());
    const ProgramResult result = run_program(command);
    EXPECT_EQ(result.code, 0) << result.err;
    return result.out;
  };
  EXPECT_EQ(text({"--shortlist", "257"}), text({}));
  EXPECT_EQ(text({"--shortlist", "1000", "--weights", "int8"}), text({"--weights", "int8"}));
  EXPECT_EQ(text({"--shortlist", "64", "--shortlist-bits", "1024", "--shortlist-query-bits", "8",
                  "--temperature", "0"}),
            text({"--temperature", "0"}));
  expect_error(run_program({"generate", run, "--shortlist", "64", "--top-k", "0"}), 2,
               "all tokens");
  expect_error(run_program({"generate", run, "--shortlist", "20"}), 2,
               "40 tokens of a shortlist of 20");
  expect_error(run_program({"generate", run, "--shortlist", "64", "--shortlist-bits", "100"}), 2,
               "multiple of 64");
}

TEST_F(Generate, RefusesWhatCannotBe) {
  const std::string run = make_run();
  EXPECT_EQ(run_program({"generate", in_folder("nothing")}).code, 2);
  EXPECT_EQ(run_program({"generate", folder_.string()}).code, 3);
  EXPECT_EQ(run_program({"generate", run, "--top-p", "7"}).code, 2);
  expect_error(run_program({"generate", run, "--weights", "int4"}), 2, "int8");
  expect_error(run_program({"generate", run, "--batch", "0"}), 2, "<= 16");
  expect_error(run_program({"generate", run, "--batch", "17"}), 2, "<= 16");
  const ProgramResult unknown = run_program({"generate", run, "--tokenizer", kLlama});
  EXPECT_EQ(unknown.code, 3);
  EXPECT_EQ(unknown.out, "");
  write_file(fs::path(run) / "best" / "config.json", "{");
  fs::remove_all(fs::path(run) / "checkpoints");
  EXPECT_EQ(run_program({"generate", run}).code, 3);
}

// An option that would change nothing is refused rather than ignored.
TEST_F(Generate, RefusesOptionsWithoutWhatTheyBelongTo) {
  const std::string run = make_run();
  const auto refused = [&](const std::vector<std::string>& words, const std::string& part) {
    std::vector<std::string> command = {"generate", run, "--quiet"};
    command.insert(command.end(), words.begin(), words.end());
    expect_error(run_program(command), 2, part + "; leave it out, or give both");
  };
  refused({"--shortlist-bits", "128"}, "--shortlist-bits: changes nothing without --shortlist N");
  refused({"--shortlist", "0", "--shortlist-query-bits", "2"},
          "--shortlist-query-bits: changes nothing without --shortlist N");
  refused({"--prompt", "a", "--batch", "2"}, "--batch: changes nothing without --prompts FILE");
  const std::string escapes =
      "--escapes: changes nothing without --prompt TEXT, --prompts FILE or --stop TEXT";
  refused({"--escapes"}, escapes);
  refused({"--escapes", "--prompt", "-"}, escapes);
}

TEST_F(Generate, InterruptEndsPolitely) {
  RunningProgram program(
      {"generate", kLlama, "--tokenizer", endless_tokenizer(), "--max-tokens", "100000000"});
  while (program.runs() && program.out().empty())
    ::usleep(1000);
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_TRUE(result.out.ends_with("\n"));
  EXPECT_TRUE(contains(result.err, "ended by interrupted")) << result.err;
}

// What was not begun is not shown.
TEST_F(Generate, InterruptEndsAllPrompts) {
  RunningProgram program({"generate", kLlama, "--tokenizer", endless_tokenizer(), "--prompts", "-",
                          "--batch", "2", "--max-tokens", "100000000"},
                         {.input = "aa\nbb\naa bb\n"});
  while (program.runs() && program.err().empty())
    ::usleep(1000);
  ::usleep(100000);
  program.signal(SIGINT);
  const ProgramResult result = program.wait();
  EXPECT_EQ(result.code, 130) << result.err;
  EXPECT_TRUE(result.out.starts_with("aa")) << result.out;
  EXPECT_TRUE(contains(result.out, "\n\nbb")) << result.out;
  EXPECT_TRUE(contains(result.err, "2 of 3 prompts")) << result.err;
}

}  // namespace
}  // namespace cllm::cli
