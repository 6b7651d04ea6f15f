#include "model/engine.h"

#include <fmt/format.h>

namespace cllm {

std::string Engine::description() const {
  return fmt::format("{} thread{} ({}), {} kernels ({})", threads_.count,
                     threads_.count == 1 ? "" : "s", threads_.reason, context_.kernels.name,
                     kernels::chosen_reason());
}

}  // namespace cllm
