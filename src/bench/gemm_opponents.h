// Matrix products of other libraries, from the modules that lie beside the program.
#pragma once

#include <string>
#include <vector>

#include "base/file.h"
#include "bench/opponent_api.h"

namespace cllm::bench {

struct Opponent {
  std::string name;  // "oneDNN matmul"
  const OpponentVariant* variant = nullptr;
};

struct Opponents {
  std::vector<Opponent> all;
  std::vector<std::string> notes;  // one line per library: what it is, or why it is absent
};

// Loads the modules of `folder` and sets their threads. A module stays loaded until the program
// ends, since its threads do; what is missing or broken is noted, never an error.
Opponents load_opponents(const fs::path& folder, int threads);

// The folder of the running program.
fs::path program_folder();

// What has been prepared for one product; owns it.
class PreparedOpponent {
 public:
  PreparedOpponent(const OpponentVariant& variant, const OpponentProduct& product)
      : variant_(&variant), prepared_(variant.prepare(&product)) {}
  ~PreparedOpponent() {
    if (prepared_ != nullptr) variant_->release(prepared_);
  }
  PreparedOpponent(const PreparedOpponent&) = delete;
  PreparedOpponent& operator=(const PreparedOpponent&) = delete;

  bool able() const { return prepared_ != nullptr; }
  void run() const { variant_->run(prepared_); }

 private:
  const OpponentVariant* variant_;
  void* prepared_;
};

}  // namespace cllm::bench
