#include "bench/worker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <stdexcept>

#include "base/error.h"

namespace cllm::bench {
namespace {

TEST(Worker, AnswersInAProcessOfItsOwn) {
  Worker worker([] {
    return [calls = 0](const std::string& request) mutable {
      return request + " " + std::to_string(++calls) + " " + std::to_string(::getpid());
    };
  });
  const std::string first = worker.ask("a");
  EXPECT_TRUE(first.starts_with("a 1 ")) << first;
  EXPECT_EQ(first.find(std::to_string(::getpid())), std::string::npos);
  EXPECT_TRUE(worker.ask("b").starts_with("b 2 "));
}

TEST(Worker, CarriesLongAnswers) {
  Worker worker([] { return [](const std::string&) { return std::string(300000, 'x'); }; });
  EXPECT_EQ(worker.ask("go").size(), 300000u);
}

TEST(Worker, PassesErrorsOnWithTheirKind) {
  Worker worker([] {
    return [](const std::string& request) -> std::string {
      if (request == "bad") throw Error(ErrorKind::kMemory, "here", "too large", "shrink it");
      return "fine";
    };
  });
  try {
    worker.ask("bad");
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kMemory);
    EXPECT_STREQ(error.what(), "here: too large; shrink it");
  }
  EXPECT_EQ(worker.ask("good"), "fine");
}

TEST(Worker, TellsThatItCouldNotStart) {
  Worker worker([]() -> Worker::Serve { throw Error(ErrorKind::kUsage, "", "no such thing", ""); });
  EXPECT_THROW(worker.ask("x"), Error);
}

TEST(Worker, DeathIsAnErrorAndNoHang) {
  Worker worker([] { return [](const std::string&) -> std::string { ::_exit(9); }; });
  EXPECT_THROW(worker.ask("x"), Error);
}

TEST(Worker, AWaitCanBeGivenUp) {
  Worker worker([] {
    return [](const std::string&) {
      ::sleep(600);
      return std::string();
    };
  });
  EXPECT_THROW(worker.ask("x", [] { throw std::runtime_error("enough"); }), std::runtime_error);
}

}  // namespace
}  // namespace cllm::bench
