// Chooses the kernel table: CPUID says what the CPU has, XCR0 what the operating system saves.
#include <cpuid.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "kernels/table.h"

namespace cllm::kernels {

extern const Table kScalarTable;
#if defined(__x86_64__)
extern const Table kAvx2Table;
extern const Table kAvx512Table;
extern const Table kAvx512Bf16Table;
#endif

namespace {

#if defined(__x86_64__)
struct Cpuid {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Cpuid cpuid(uint32_t leaf, uint32_t subleaf) {
  Cpuid r;
  if (!__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
  return r;
}

bool bit(uint32_t word, int position) {
  return ((word >> position) & 1u) != 0;
}

uint64_t saved_state() {
  if (!bit(cpuid(1, 0).ecx, 27)) return 0;  // OSXSAVE
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (static_cast<uint64_t>(high) << 32) | low;
}

bool has_avx2() {
  const Cpuid one = cpuid(1, 0), seven = cpuid(7, 0);
  const bool instructions = bit(one.ecx, 12) && bit(one.ecx, 29) &&
                            bit(one.ecx, 28) &&  // FMA F16C AVX
                            bit(seven.ebx, 5);
  return instructions && (saved_state() & 0x6) == 0x6;  // XMM and YMM
}

bool has_avx512() {
  const Cpuid seven = cpuid(7, 0);
  const bool instructions = bit(seven.ebx, 16) && bit(seven.ebx, 17) &&  // F DQ
                            bit(seven.ebx, 30) && bit(seven.ebx, 31);    // BW VL
  return has_avx2() && instructions && (saved_state() & 0xe6) == 0xe6;   // + opmask, ZMM
}

bool has_avx512_bf16() {
  return has_avx512() && bit(cpuid(7, 1).eax, 5);
}
#endif

struct Choice {
  const Table* table;
  std::string_view reason;
};

Choice choose() {
  const char* wish = std::getenv("CLLM_ISA");
  if (wish == nullptr || *wish == '\0')
    return {supported_tables().back(), "the fastest this CPU supports"};
  if (const Table* table = find_table(wish)) return {table, "CLLM_ISA"};
  std::string names;
  for (const Table* table : supported_tables())
    names += (names.empty() ? "" : ", ") + std::string(table->name);
  throw Error(ErrorKind::kUsage, "CLLM_ISA", "this machine cannot run '" + std::string(wish) + "'",
              "use one of: " + names);
}

const Choice& choice() {
  static const Choice chosen = choose();
  return chosen;
}

}  // namespace

std::vector<const Table*> supported_tables() {
  std::vector<const Table*> tables = {&kScalarTable};
#if defined(__x86_64__)
  if (has_avx2()) tables.push_back(&kAvx2Table);
  if (has_avx512()) tables.push_back(&kAvx512Table);
  if (has_avx512_bf16()) tables.push_back(&kAvx512Bf16Table);
#endif
  return tables;
}

const Table* find_table(std::string_view name) {
  for (const Table* table : supported_tables())
    if (name == table->name) return table;
  return nullptr;
}

const Table& chosen_table() {
  return *choice().table;
}

std::string_view chosen_reason() {
  return choice().reason;
}

}  // namespace cllm::kernels
