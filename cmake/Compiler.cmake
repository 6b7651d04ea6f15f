# Warnings and sanitizers for every target. No fast-math anywhere: a reassociation is written in the code.
# Contraction is off so that one source gives one rounding on GCC and clang; FMAs are explicit in the kernels.
add_library(cllm_compiler INTERFACE)
target_compile_options(cllm_compiler INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wno-missing-field-initializers
  -ffp-contract=off -fno-math-errno)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # GCC 12 sees overlaps in std::string's own operator+ (GCC bug 105651), and a foreign pointer in the
  # destructor of a std::vector whose elements a lambda fills.
  target_compile_options(cllm_compiler INTERFACE -Wno-restrict -Wno-free-nonheap-object)
endif()
# GCC warns of overflows that cannot be where a sanitizer has rewritten the code: there, warnings stay warnings.
if(CLLM_WERROR AND NOT CLLM_SANITIZE)
  target_compile_options(cllm_compiler INTERFACE -Werror)
endif()
if(CLLM_SANITIZE)
  target_compile_options(cllm_compiler INTERFACE -fsanitize=${CLLM_SANITIZE} -fno-omit-frame-pointer
    -fno-sanitize-recover=all -g1)
  target_link_options(cllm_compiler INTERFACE -fsanitize=${CLLM_SANITIZE})
endif()
