// What a user can get wrong before the first step: one line, the right exit code, nothing left.
#include "cli/slow_program.h"

namespace cllm::cli {
namespace {

using testing::HasSubstr;

class BadInput : public TinyRun {
 protected:
  void file(const std::string& name, const std::string& text) { write_file(at(name), text); }
  // The command fails as described and changes nothing.
  void expect_refused(const Words& words, int code, const Words& parts) {
    const auto before = snapshot(folder_);
    SCOPED_TRACE(command_line(words));
    expect_error(cllm(words), code, parts);
    EXPECT_EQ(snapshot(folder_), before);
  }
  void expect_text_refused(const std::string& name, const std::string& text, const Words& parts) {
    file(name, text);
    expect_refused(train(name), 3, Words{name} + parts);
  }
};

TEST_F(BadInput, TextsThatAreMissingOrEmpty) {
  expect_refused(train("missing.txt"), 3,
                 {"missing.txt: cannot read", "No such file", "check the path"});
  expect_text_refused("empty.txt", "", {"empty", "give a file with text"});
  expect_text_refused("empty.jsonl", "\n\n", {"holds no text", "give a file with text"});
  expect_text_refused("bad.jsonl", "{\"text\":\"fine\"}\n{\"txt\":1}\n", {":2: ", "\"text\""});
  make_folder(at("folder/below"));
  file("folder/below/image.png", "x");
  expect_refused(train("folder"), 3,
                 {"folder: the folder has no text", "name the files one by one"});
  expect_refused(train("/dev/null"), 3, {"/dev/null: holds no text"});
  expect_refused(train("-"), 3, {"standard input: is empty"});
  expect_refused(train("-") + Words{"--data", "-"}, 2, {"given twice"});
}

TEST_F(BadInput, TextsTooShort) {
  expect_text_refused("one.txt", "a",
                      {"0 tokens are left to learn from, 1 are held out", "more text"});
  expect_text_refused("two.txt", "ab", {"1 tokens are left to learn from, 1 are held out"});
  expect_refused(train() + set({"data.validation_fraction=0.9999"}), 3,
                 {"text.txt: 0 tokens", "data.validation_fraction"});
}

TEST_F(BadInput, AShortTextShortensTheContextAloud) {
  file("short.txt", "hello world, hello");
  const ProgramResult result = cllm(train("short.txt") + steps(2));
  EXPECT_EQ(result.code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("only 16 tokens: the context is shortened from 16 to 15"));
  EXPECT_THAT(read_file(run().config()), HasSubstr("context_length = 15"));
  file("shorter.txt", "hello worl");
  const ProgramResult without = cllm(train("shorter.txt", "other") + steps(2));
  EXPECT_EQ(without.code, 0) << without.err;
  EXPECT_THAT(without.err, HasSubstr("the held-out text has 1 tokens: the model is not evaluated"));
}

TEST_F(BadInput, InvalidUtf8NamesItsPlace) {
  file("latin1.txt",
       "fine\nca\xe9"
       "fe\n" +
           small_text());
  expect_refused(train("latin1.txt") + set({"tokenizer.kind=char"}), 3,
                 {"latin1.txt:2: invalid UTF-8 at byte 7", "byte or bpe tokenizer"});
  EXPECT_EQ(cllm(train("latin1.txt") + steps(2)).code, 0) << "auto takes bytes instead";
}

TEST_F(BadInput, StrangeButReadableTexts) {
  file("crlf.txt", "\xef\xbb\xbf" + std::string("one\r\ntwo\r\n") + small_text());
  file("zeros.txt", std::string("a\0b\0c\n", 6) + small_text());
  file("newlines.txt", std::string(500, '\n'));
  file("line.txt", std::string(300000, 'x'));
  make_folder(at("a földer"));
  file("a földer/tëxt 1.txt", small_text());
  for (const std::string data : {"crlf.txt", "zeros.txt", "newlines.txt", "line.txt", "a földer"}) {
    const ProgramResult result = cllm(train(data, "räum für " + data) + steps(2));
    EXPECT_EQ(result.code, 0) << data << ": " << result.err;
    EXPECT_EQ(cllm({"resume", "räum für " + data, "--steps", "3"}).code, 0);
  }
}

TEST_F(BadInput, Settings) {
  const auto refuse = [&](const std::string& assignment, const Words& parts) {
    expect_refused(train() + set({assignment}), 2, parts);
  };
  refuse("train.stepz=3", {"train.stepz", "did you mean 'train.steps'"});
  refuse("modle.dropout=0", {"modle.dropout", "did you mean 'model.dropout'"});
  refuse("model.dropout", {"there is no '='"});
  refuse("model.dropout=much", {"model.dropout = 'much' has the wrong type", "give a number"});
  refuse("model.dropout=1", {"model.dropout = 1 is not possible"});
  refuse("train.steps=0", {"train.steps = 0 is not possible", ">= 1"});
  refuse("train.steps=1e30", {"train.steps"});
  refuse("optimizer.learning_rate=nan", {"optimizer.learning_rate = nan"});
  refuse("model.width=32", {"already given"});
  refuse("model.kv_heads=3", {"model.kv_heads", "divisor"});
  refuse("model.vocabulary_size=3", {"3 is below the tokenizer's 22"});
  refuse("tokenizer.kind=words", {"auto, byte, char, bpe"});
  refuse("schedule.min_learning_rate=5", {"schedule.min_learning_rate"});
  expect_refused({"train", "--data", "text.txt", "--out", "run", "--set", "model.heads=5"}, 2,
                 {"model.width: ", "is not divisible by 5 heads", "use a multiple of 5"});
  expect_refused(train() + set({"sample.prompt=Ω"}), 3, {"sample.prompt", "U+03A9"});
  expect_refused(train() + set({"tokenizer.path=nope"}), 3, {"nope"});
}

TEST_F(BadInput, ConfigurationFiles) {
  const auto refuse = [&](const std::string& toml, const Words& parts) {
    file("config.toml", toml);
    expect_refused(train() + Words{"--config", "config.toml"}, 2, Words{"config.toml"} + parts);
  };
  refuse("[train]\nstepz = 3\n", {":2", "did you mean"});
  refuse("[train\n", {":1"});
  refuse("[train]\nbatch_size = \"many\"\n", {"train.batch_size"});
  refuse("[train]\nseed = 1\nseed = 2\n", {":3"});
  refuse(std::string("\0\xff\x01[", 4), {});
  expect_refused(train() + Words{"--config", "missing.toml"}, 2, {"missing.toml"});
}

TEST_F(BadInput, TheFolderOfTheRun) {
  file("precious", "mine");
  make_folder(at("full"));
  file("full/precious", "mine");
  expect_refused(train("text.txt", "precious"), 2, {"precious: is a file"});
  expect_refused(train("text.txt", "full"), 2, {"full: is not empty and not a run"});
  expect_refused(train("text.txt", "full") + Words{"--overwrite"}, 2, {"not a run"});
  expect_refused({"resume", "full"}, 2, {"full: is not a run"});
  expect_refused({"resume", "missing"}, 2, {"missing: is not a run"});
  ASSERT_EQ(cllm(train() + steps(2)).code, 0);
  expect_refused(train() + steps(2), 2, {"holds a run already", "--overwrite", "cllm resume"});
  // Neither does a start over a run that then fails.
  expect_refused(train("missing.txt") + Words{"--overwrite"}, 3, {"missing.txt"});
  // Files of the user survive the run's.
  file("run/data/notes.txt", "mine");
  file("run/notes.txt", "mine");
  ASSERT_EQ(cllm(train() + steps(3) + Words{"--overwrite"}).code, 0);
  EXPECT_EQ(read_file(at("run/data/notes.txt")), "mine");
  EXPECT_EQ(read_file(at("run/notes.txt")), "mine");
  EXPECT_FALSE(fs::exists(run().checkpoint(2)));
  EXPECT_EQ(cllm({"resume", "run", "--steps", "5"}).code, 0);
}

TEST_F(BadInput, WhatDoesNotFitInMemory) {
  expect_refused({"train", "--data", "text.txt", "--out", "run", "--batch-size", "1000000",
                  "--context-length", "1024"},
                 5, {"the run needs ", "TiB", " are available", "smaller train.batch_size"});
  const std::string words = command_line(
      {"train", "--data", "text.txt", "--out", "run", "--batch-size", "1000000", "--context-length",
       "1000000", "--set", "model.width=65536", "--set", "model.heads=1024", "--set",
       "model.layers=1024", "--set", "model.vocabulary_size=16777216"});
  expect_error(shell(words), 5, {});
  EXPECT_FALSE(fs::exists(run().path()));
}

TEST_F(BadInput, DivergingKeepsTheLastGoodCheckpoint) {
  const Words words = train() + steps(50) + Words{"--learning-rate", "1e30"} +
                      set({"optimizer.kind=sgd", "train.clip_norm=0", "schedule.warmup_steps=0",
                           "checkpoint.every=1", "sample.every=0"});
  Words diverging;
  for (size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "--set" && words[i + 1] == "schedule.warmup_steps=2")
      ++i;
    else
      diverging.push_back(words[i]);
  }
  const ProgramResult result = cllm(diverging);
  expect_error(
      result, 4,
      {"step 2: ", " is not finite", "the weights were not updated", "optimizer.learning_rate"});
  EXPECT_THAT(result.err, testing::ContainsRegex("(embedding|blocks|final|head|position)"));
  EXPECT_EQ(fs::read_symlink(run().latest()), fs::path("checkpoints/step-000001"));
  EXPECT_THAT(read_file(run().metrics()), HasSubstr(" is not finite")) << "the record says why";
  EXPECT_TRUE(fs::exists(run().report()));
  // With a smaller rate in its settings it goes on from there; with the same one it fails again.
  const ProgramResult resumed = cllm({"resume", "run"});
  EXPECT_THAT(resumed.err, HasSubstr("resuming from step 1 of 50"));
  expect_error(resumed, 4, {"step 2: "});
  EXPECT_TRUE(fs::exists(run().checkpoint(1) / "manifest.json"));
}

}  // namespace
}  // namespace cllm::cli
