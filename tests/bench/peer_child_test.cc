#include "bench/peer_child.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "base/clock.h"
#include "base/error.h"
#include "bench/fake_peer.h"
#include "temporary_folder.h"

namespace cllm::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class PeerChildTest : public TemporaryFolder {
 protected:
  PeerCommand command(const std::string& script) const {
    return {.arguments = fake_peer(folder_, script), .error_file = folder_ / "stderr.txt"};
  }
  template <class Work>
  static std::string failure(Work&& work) {
    try {
      work();
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kRuntime);
      return error.what();
    }
    return "no error";
  }
};

TEST_F(PeerChildTest, AnswersLineByLine) {
  PeerChild child(command(R"(
    echo '{"ready": 1}'
    while read -r a b; do echo "{\"first\": \"$a\", \"second\": \"$b\"}"; done)"));
  EXPECT_EQ(child.greeting()["ready"], 1);
  for (const char* word : {"one", "two"}) {
    const nlohmann::json answer = child.ask(std::string("run ") + word);
    EXPECT_EQ(answer["first"], "run");
    EXPECT_EQ(answer["second"], word);
  }
}

TEST_F(PeerChildTest, AddsToTheEnvironment) {
  ASSERT_EQ(::setenv("CLLM_PEER_TEST", "ours", 1), 0);
  PeerCommand wanted = command(R"(echo "{\"seen\": \"$CLLM_PEER_TEST\"}")");
  EXPECT_EQ(PeerChild(wanted).greeting()["seen"], "ours");
  wanted.environment = {"CLLM_PEER_TEST=theirs"};
  EXPECT_EQ(PeerChild(wanted).greeting()["seen"], "theirs");
  ::unsetenv("CLLM_PEER_TEST");
}

// The state letter of /proc/PID/stat: T = stopped, Z = ended; - if there is no such process.
char state_of(pid_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  std::getline(file, text);
  const size_t name_end = text.rfind(')');
  return name_end == std::string::npos ? '-' : text.at(name_end + 2);
}

// Orphans are collected by the system's first process, in its own time.
bool has_ended(pid_t pid) {
  return state_of(pid) == 'Z' || state_of(pid) == '-';
}

TEST_F(PeerChildTest, StandsStillBetweenQuestions) {
  PeerChild child(command(R"(
    echo "{\"pid\": $$}"
    while read -r line; do echo '{}'; done)"));
  const auto pid = child.greeting()["pid"].get<pid_t>();
  for (int question = 0; question < 3; ++question) {
    siginfo_t info{};  // waits until the signal has done its work
    ASSERT_EQ(::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOWAIT), 0);
    EXPECT_EQ(state_of(pid), 'T');
    child.ask("go on");
  }
}

TEST_F(PeerChildTest, EndsWithItsOwner) {
  pid_t pid = 0;
  {
    PeerChild child(command("echo \"{\\\"pid\\\": $$}\"; read -r line; sleep 60"));
    pid = child.greeting()["pid"].get<pid_t>();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(PeerChildTest, ItsOwnChildrenEndToo) {
  pid_t pid = 0;
  {
    PeerChild child(command("sleep 600 & echo \"{\\\"pid\\\": $!}\"; wait"));
    pid = child.greeting()["pid"].get<pid_t>();
    EXPECT_EQ(::kill(pid, 0), 0);
  }
  for (int tries = 0; tries < 1000 && !has_ended(pid); ++tries)
    ::usleep(10'000);
  EXPECT_TRUE(has_ended(pid));
}

TEST_F(PeerChildTest, DeathIsToldWithItsLastWords) {
  PeerChild child(command(R"(
    echo '{}'
    read -r line
    echo 'Traceback' >&2
    echo 'MemoryError: no more' >&2
    exit 3)"));
  child.greeting();
  EXPECT_THAT(failure([&] { child.ask("run"); }),
              AllOf(HasSubstr("exit code 3"), HasSubstr("MemoryError: no more"),
                    ::testing::Not(HasSubstr("Traceback"))));
}

TEST_F(PeerChildTest, SilentDeathAndDeathBySignal) {
  PeerChild quiet(command("exit 0"));
  EXPECT_THAT(failure([&] { quiet.greeting(); }),
              AllOf(HasSubstr("exit code 0"), HasSubstr("said nothing")));
  PeerChild killed(command("kill -9 $$"));
  EXPECT_THAT(failure([&] { killed.greeting(); }), HasSubstr("signal 9"));
}

TEST_F(PeerChildTest, HangingIsCutOff) {
  PeerCommand wanted = command("sleep 60");
  wanted.timeout = 0.3;
  PeerChild child(wanted);
  const double start = steady_seconds();
  EXPECT_THAT(failure([&] { child.greeting(); }), HasSubstr("no answer within 0.3 seconds"));
  EXPECT_LT(steady_seconds() - start, 50);  // it did not wait for the end
}

TEST_F(PeerChildTest, WaitingCanBeInterrupted) {
  PeerCommand wanted = command("sleep 60");
  int asked = 0;
  wanted.check = [&] {
    if (++asked == 3) throw std::runtime_error("stop");
  };
  PeerChild child(wanted);
  EXPECT_THROW(child.greeting(), std::runtime_error);
}

TEST_F(PeerChildTest, NonsenseIsRefused) {
  PeerChild child(command("echo warning; echo '{}'"));
  EXPECT_THAT(failure([&] { child.greeting(); }), HasSubstr("'warning'"));
}

TEST_F(PeerChildTest, MissingProgram) {
  PeerCommand wanted = command("");
  wanted.arguments = {(folder_ / "python9").string()};
  EXPECT_THAT(failure([&] { PeerChild child(wanted); }),
              AllOf(HasSubstr("python9"), HasSubstr("No such file")));
}

}  // namespace
}  // namespace cllm::bench
