// cllm info and cllm version: what this program and this machine are.
#include <memory>
#include <nlohmann/json.hpp>

#include "base/memory.h"
#include "base/units.h"
#include "cli/build_info.h"
#include "cli/program.h"
#include "kernels/table.h"
#include "model/gemm_memory.h"
#include "threads/machine.h"
#include "threads/topology.h"

namespace cllm::cli {
namespace {

using Json = nlohmann::ordered_json;

std::vector<std::string> instruction_sets() {
  std::vector<std::string> names;
  for (const kernels::Table* table : kernels::supported_tables())
    names.emplace_back(table->name);
  return names;
}

Json version_json() {
  const BuildInfo build = build_info();
  return {{"version", build.version},
          {"commit", build.commit},
          {"compiler", build.compiler},
          {"build_type", build.build_type},
          {"instruction_set", kernels::chosen_table().name}};
}

int version(ActionContext& context) {
  const BuildInfo build = build_info();
  if (context.global.json)
    context.out.json(version_json());
  else
    context.out.print("cllm {} (commit {}, {}, {}, {})\n", build.version, build.commit,
                      build.compiler, build.build_type, kernels::chosen_table().name);
  return 0;
}

int info(ActionContext& context) {
  const kernels::Table& table = kernels::chosen_table();
  const ThreadBudget threads = choose_threads(0);
  const ChosenBlocking products = choose_blocking(table);
  const int64_t memory = available_memory();
  if (context.global.json) {
    Json json = version_json();
    json.update({{"cpu", cpu_name()},
                 {"caches", cache_names()},
                 {"instruction_sets", instruction_sets()},
                 {"instruction_set_reason", kernels::chosen_reason()},
                 {"threads", threads.count},
                 {"threads_reason", threads.reason},
                 {"product_task_side", products.blocking.side},
                 {"product_block_depth", ops::kGemmSteps},
                 {"product_reason", products.reason},
                 {"available_memory", memory}});
    context.out.json(json);
    return 0;
  }
  const BuildInfo build = build_info();
  Output& out = context.out;
  out.print("version          {} (commit {})\n", build.version, build.commit);
  out.print("built with       {}, {}\n", build.compiler, build.build_type);
  out.print("CPU              {}\n", cpu_name());
  out.print("caches           {}\n", fmt::join(cache_names(), ", "));
  out.print("instruction set  {}: {} (this machine runs {})\n", table.name,
            kernels::chosen_reason(), fmt::join(instruction_sets(), ", "));
  out.print("threads          {}: {}\n", threads.count, threads.reason);
  out.print("products         tasks of {0} x {0}, {1} deep: {2}\n", products.blocking.side,
            ops::kGemmSteps, products.reason);
  out.print("memory           {} available\n", format_bytes(static_cast<double>(memory)));
  return 0;
}

}  // namespace

void add_info(Program& program) {
  CLI::App* command = add_command(program, program.app, "info", "What this program runs on",
                                  "  cllm info\n  CLLM_ISA=avx2 cllm info --json");
  command->callback([&program] { program.action = info; });
}

void add_version(Program& program) {
  program.app.add_flag_callback(
      "--version", [&program] { program.action = version; }, "version of this program");
  CLI::App* command = add_command(program, program.app, "version", "Version of this program",
                                  "  cllm version\n  cllm version --json");
  command->callback([&program] { program.action = version; });
}

}  // namespace cllm::cli
