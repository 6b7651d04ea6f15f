// GMP ends the process where memory runs out; this program ends with one line instead.
#pragma once

namespace cllm::cli {

// Makes GMP's allocations throw std::bad_alloc. A choice for the whole process, hence the program's
// and not the library's; before the first use of GMP. What GMP held at that moment is lost, which
// does not matter to a command that ends.
void throw_when_gmp_lacks_memory();

}  // namespace cllm::cli
