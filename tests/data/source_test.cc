#include "data/source.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <unistd.h>

#include <thread>

#include "data/data_test_files.h"

namespace cllm {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Source : public DataTest {
 protected:
  // The documents of a stream, put together from their chunks.
  static std::vector<std::string> documents(DocumentStream& stream) {
    std::vector<std::string> all;
    std::string document;
    Chunk chunk;
    while (stream.next(chunk)) {
      document += chunk.text;
      if (!chunk.ends_document) continue;
      all.push_back(std::exchange(document, {}));
    }
    EXPECT_EQ(document, "") << "the last chunk must end its document";
    return all;
  }
  static std::vector<std::string> documents(const std::vector<std::string>& paths,
                                            size_t chunk_bytes = 1 << 20) {
    DocumentStream stream(find_sources(paths), {}, chunk_bytes);
    return documents(stream);
  }
  std::string error_of_paths(const std::vector<std::string>& paths) const {
    return error_of(ErrorKind::kData, [&] { documents(paths); });
  }
};

TEST_F(Source, FolderIsSortedAndTakesOnlyText) {
  file("d/b.txt", "b");
  file("d/a/z.md", "az");
  file("d/a.text", "a");
  file("d/c.jsonl", "{\"text\":\"c1\"}\n{\"text\":\"c2\"}\n");
  file("d/empty.txt", "");
  file("d/image.png", "no");
  file("d/.hidden.txt", "no");
  file("d/.git/notes.txt", "no");
  fs::create_symlink("nowhere", at("d/broken.txt"));
  EXPECT_THAT(documents({at("d")}), ElementsAre("az", "a", "b", "c1", "c2"));
}

TEST_F(Source, GivenFilesKeepTheirOrderAndMayHaveAnyName) {
  EXPECT_THAT(documents({file("z", "1"), file("a.log", "2")}), ElementsAre("1", "2"));
}

TEST_F(Source, WhatCannotBeRead) {
  EXPECT_THAT(error_of_paths({at("none.txt")}), HasSubstr("none.txt: cannot read: No such file"));
  EXPECT_THAT(error_of_paths({file("e.txt", "")}), HasSubstr("e.txt: the file is empty; give"));
  EXPECT_THAT(error_of_paths({file("t.bin", "12")}), HasSubstr("t.bin: is a token file"));
  fs::create_directories(at("empty"));
  EXPECT_THAT(error_of_paths({at("empty")}), HasSubstr("empty: the folder has no text"));
  file("only/picture.png", "x");
  EXPECT_THAT(error_of_paths({at("only")}), HasSubstr("the folder has no text"));
  EXPECT_THAT(error_of(ErrorKind::kUsage,
                       [] {
                         find_sources({"-", "-"});
                       }),
              HasSubstr("standard input is given twice"));
}

TEST_F(Source, FolderWithoutPermission) {
  if (geteuid() == 0) GTEST_SKIP() << "root may read everything";
  file("d/a.txt", "a");
  fs::create_directories(at("d/locked"));
  fs::permissions(at("d/locked"), fs::perms::none);
  EXPECT_THAT(error_of_paths({at("d")}), HasSubstr("Permission denied"));
  fs::permissions(at("d/locked"), fs::perms::owner_all);
}

TEST_F(Source, AFileIsOneDocumentInChunksWhoseConcatenationIsTheFile) {
  std::string text;
  for (int i = 0; i < 500; ++i)
    text += "line " + std::to_string(i) + "\n";
  const std::string path = file("t.txt", text);
  for (const size_t chunk_bytes : {1, 7, 64, 4096, 1 << 20})
    EXPECT_THAT(documents({path}, chunk_bytes), ElementsAre(text)) << chunk_bytes;
}

TEST_F(Source, ChunksAreBoundedAndKnowTheirPlace) {
  DocumentStream stream(find_sources({file("t.txt", std::string(300, '\n'))}), {}, 100);
  Chunk chunk;
  for (uint64_t i = 0; i < 3; ++i) {
    ASSERT_TRUE(stream.next(chunk));
    EXPECT_EQ(chunk.text.size(), 100u);
    EXPECT_EQ(chunk.place.line, 1 + 100 * i);
    EXPECT_EQ(chunk.place.byte, 100 * i);
  }
  EXPECT_EQ(stream.bytes_total(), 300u);
  EXPECT_EQ(stream.bytes_read(), 300u);
}

TEST_F(Source, AStretchWithoutACutMakesALongerChunk) {
  std::string text(1000, 'x');
  text += " y";
  const auto at_space = [](std::string_view part) {
    const size_t found = part.rfind(' ');
    return found == std::string_view::npos ? 0 : found;
  };
  DocumentStream stream(find_sources({file("t.txt", text)}), at_space, 16);
  Chunk chunk;
  ASSERT_TRUE(stream.next(chunk));
  EXPECT_EQ(chunk.text.substr(0, 1000), std::string(1000, 'x'));
}

TEST_F(Source, JsonlLines) {
  const std::string lines =
      "{\"text\": \"one\\ntwo\", \"id\": 7}\r\n\n   \n{\"text\": \"\"}\n{\"text\": \"\\u00e9\"}";
  const std::string path = file("t.jsonl", lines);
  for (const size_t chunk_bytes : {1, 10, 1 << 20})
    EXPECT_THAT(documents({path}, chunk_bytes), ElementsAre("one\ntwo", "é")) << chunk_bytes;
}

TEST_F(Source, JsonlErrorsNameTheLine) {
  const std::string good = "{\"text\":\"a\"}\n\n";
  EXPECT_THAT(error_of_paths({file("a.jsonl", good + "{\"text\":\"a\n")}),
              HasSubstr("a.jsonl:3: not valid JSON; each line is one object"));
  EXPECT_THAT(error_of_paths({file("b.jsonl", good + "{\"txt\":\"a\"}")}),
              HasSubstr("b.jsonl:3: the line has no field \"text\""));
  EXPECT_THAT(error_of_paths({file("c.jsonl", "[1]\n")}), HasSubstr("c.jsonl:1: the line has no"));
  EXPECT_THAT(error_of_paths({file("d.jsonl", good + good + "{\"text\":5}")}),
              HasSubstr("d.jsonl:5: the field \"text\" is not a string"));
  EXPECT_THAT(error_of_paths({file("e.jsonl", "{\"text\":\"\xff\"}")}),
              HasSubstr("e.jsonl:1: not valid JSON"));
  const std::string deep = std::string(200000, '[');
  EXPECT_THAT(error_of_paths({file("f.jsonl", deep)}), HasSubstr("f.jsonl:1: not valid JSON"));
}

// A pipe gives short reads and has no size; the writer runs beside the reader.
TEST_F(Source, StandardInput) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  std::string text;
  for (int i = 0; i < 50000; ++i)
    text += std::to_string(i) + " ";
  std::thread writer([&] {
    for (size_t done = 0; done < text.size();) {
      const ssize_t count =
          write(ends[1], text.data() + done, std::min<size_t>(777, text.size() - done));
      if (count <= 0) break;
      done += static_cast<size_t>(count);
    }
    close(ends[1]);
  });
  DocumentStream stream(find_sources({"-"}), {}, 1000, ends[0]);
  EXPECT_THAT(documents(stream), ElementsAre(text));
  EXPECT_EQ(stream.bytes_total(), 0u);
  writer.join();
  close(ends[0]);
}

TEST_F(Source, SpoolKeepsStandardInputForASecondPass) {
  const std::string path = file("t.txt", "twice");
  const int input = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  spool_input(input, at("spool.txt"));
  EXPECT_EQ(read_file(at("spool.txt")), "twice");
  EXPECT_THAT(error_of(ErrorKind::kData, [&] { spool_input(input, at("none.txt")); }),
              HasSubstr("standard input: is empty"));
  EXPECT_FALSE(fs::exists(at("none.txt")));
  close(input);
}

}  // namespace
}  // namespace cllm
