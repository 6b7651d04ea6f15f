#include "model/gemm_memory.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include "base/error.h"
#include "temporary_folder.h"

namespace cllm {
namespace {

using ::testing::HasSubstr;

class GemmMemory : public TemporaryFolder {
 protected:
  void SetUp() override {
    TemporaryFolder::SetUp();
    setenv("XDG_CACHE_HOME", folder_.c_str(), 1);
  }
  void TearDown() override {
    unsetenv("XDG_CACHE_HOME");
    TemporaryFolder::TearDown();
  }

  const kernels::Table& scalar_ = *kernels::find_table("scalar");
};

TEST_F(GemmMemory, WithoutAMeasurementTheSizeIsComputed) {
  const ChosenBlocking chosen = choose_blocking(scalar_);
  EXPECT_EQ(chosen.blocking, ops::GemmBlocking::computed());
  EXPECT_THAT(chosen.reason, HasSubstr("computed from"));
}

TEST_F(GemmMemory, RemembersPerTable) {
  const fs::path path = remember_blocking(scalar_, {96});
  EXPECT_EQ(path, folder_ / "cllm" / "gemm.json");
  const ChosenBlocking chosen = choose_blocking(scalar_);
  EXPECT_EQ(chosen.blocking.side, 96);
  EXPECT_THAT(chosen.reason, HasSubstr("measured"));
  for (const kernels::Table* table : kernels::supported_tables()) {
    if (table == &scalar_) continue;
    EXPECT_EQ(choose_blocking(*table).blocking, ops::GemmBlocking::computed());
    remember_blocking(*table, {144});
    EXPECT_EQ(choose_blocking(*table).blocking.side, 144);
    EXPECT_EQ(choose_blocking(scalar_).blocking.side, 96);
  }
}

TEST_F(GemmMemory, WhatIsDamagedOrOfAnotherMachineIsNotBelieved) {
  const fs::path path = remember_blocking(scalar_, {96});
  const std::string good = read_file(path);
  const size_t at = good.find("96");
  ASSERT_NE(at, std::string::npos);
  for (const std::string side : {"95", "0", "-96", "1e9", "480000", "\"96\"", "null"}) {
    write_file(path, good.substr(0, at) + side + good.substr(at + 2));
    EXPECT_EQ(choose_blocking(scalar_).blocking, ops::GemmBlocking::computed()) << side;
  }
  for (const std::string& text : {std::string(), std::string("["), good.substr(0, good.size() / 2),
                                  std::string("{\"machine\": {\"cpu\": \"another\"}}")}) {
    write_file(path, text);
    EXPECT_EQ(choose_blocking(scalar_).blocking, ops::GemmBlocking::computed()) << text;
  }
}

TEST_F(GemmMemory, NoPlaceAtAllIsKnownBeforehand) {
  EXPECT_NO_THROW(require_gemm_memory());
  const char* home = getenv("HOME");
  const std::string kept = home == nullptr ? "" : home;
  unsetenv("XDG_CACHE_HOME");
  unsetenv("HOME");
  EXPECT_THROW(require_gemm_memory(), Error);
  EXPECT_EQ(choose_blocking(scalar_).blocking, ops::GemmBlocking::computed());
  if (home != nullptr) setenv("HOME", kept.c_str(), 1);
}

TEST_F(GemmMemory, APlaceThatCannotBeWrittenIsAnError) {
  write_file(folder_ / "file", "");
  setenv("XDG_CACHE_HOME", (folder_ / "file").c_str(), 1);
  EXPECT_THROW(remember_blocking(scalar_, {96}), Error);
}

}  // namespace
}  // namespace cllm
