// Long work that gives way to a stop that was asked for: no failure, and no other Error may be
// taken for it.
#pragma once

#include <string>

#include "base/error.h"

namespace cllm {

class Interrupted : public Error {
 public:
  // As in Error: what was stopped, and what to do next.
  explicit Interrupted(const std::string& what, const std::string& hint = "")
      : Error(ErrorKind::kRuntime, "", what, hint) {}
};

}  // namespace cllm
