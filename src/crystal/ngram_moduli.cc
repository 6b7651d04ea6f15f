#include "crystal/ngram_moduli.h"

#include <numeric>

#include "number/primes.h"

namespace cllm {

void choose_ngram_moduli(ModelConfig& config) {
  if (config.ngram_order == 0) return;
  int64_t taken = config.ngram_modulus_b;
  for (int64_t* const modulus : {&config.ngram_modulus_a, &config.ngram_modulus_b}) {
    if (*modulus == 0) {
      number::PrimeIterator walk(static_cast<uint64_t>(config.ngram_rows));
      do {
        *modulus = static_cast<int64_t>(walk.previous().value());
      } while ((taken != 0 && std::gcd(*modulus, taken) != 1) ||
               (config.vocabulary_size + 1) % *modulus == 0);
    }
    taken = *modulus;
  }
}

}  // namespace cllm
