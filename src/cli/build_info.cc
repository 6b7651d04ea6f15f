#include "cli/build_info.h"

namespace cllm::cli {

BuildInfo build_info() {
  return {CLLM_VERSION, CLLM_COMMIT, CLLM_COMPILER, CLLM_BUILD_TYPE};
}

}  // namespace cllm::cli
