// cllm bench: measures this program and this machine. Each benchmark is a command of its own,
// command_bench_<name>.cc.
#include "cli/program.h"

namespace cllm::cli {

void add_bench(Program& program) {
  CLI::App* group =
      add_command_group(program, "bench", "Measure this machine and this program on it",
                        "  cllm bench limits\n"
                        "  cllm bench step --preset baby --rounds 9 --save base.json\n"
                        "  cllm bench compare base.json");
  add_bench_limits(program, *group);
  add_bench_gemm(program, *group);
  add_bench_ops(program, *group);
  add_bench_locality(program, *group);
  add_bench_step(program, *group);
  add_bench_generate(program, *group);
  add_bench_shortlist(program, *group);
  add_bench_compare(program, *group);
  add_bench_peers(program, *group);
  add_bench_staircase(program, *group);
}

}  // namespace cllm::cli
