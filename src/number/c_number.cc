// primemath/number.h: primes, orders of the plane, signatures and clocks.
#include <primemath/number.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "number/c_guard.h"
#include "number/clocks.h"
#include "number/factor.h"
#include "number/gcd.h"
#include "number/hilbert.h"
#include "number/primes.h"
#include "number/signature_table.h"
#include "number/ulam.h"

namespace n = cllm::number;

struct primemath_prime_iterator {
  n::PrimeIterator primes;
};
struct primemath_signature_table {
  n::SignatureTable rows;
};
struct primemath_residue_system {
  n::ResidueSystem system;
};

namespace {

using cllm::Error;
using cllm::ErrorKind;
using n::guarded;
using n::require_argument;

// Whether no bit lies beyond the table's rows in these words of one row.
void require_clean(const primemath_signature_table& table, const uint64_t* words) {
  const size_t used = table.rows.bits() % 64;
  if (used != 0 && words[table.rows.words() - 1] >> used != 0)
    throw Error(ErrorKind::kUsage, "signature", "has bits beyond its size",
                "clear the unused bits of the last word");
}

n::Signature signature_of(const primemath_signature_table& table, const uint64_t* words) {
  require_argument(words, "query");
  require_clean(table, words);
  n::Signature signature(table.rows.bits());
  std::copy_n(words, table.rows.words(), signature.words().begin());
  return signature;
}

primemath_status give(const std::optional<uint64_t>& found, uint64_t* to) {
  if (!found) return PRIMEMATH_END;
  *to = *found;
  return PRIMEMATH_OK;
}

void require_hilbert(bool inside) {
  if (!inside)
    throw Error(ErrorKind::kUsage, "Hilbert curve", "no such cell",
                "orders are 0 to 31, cells below 2^order, indices below 4^order");
}

mpz_class integer_of(const char* text) {
  require_argument(text, "number");
  mpz_class number;
  const char* digits = *text == '-' ? text + 1 : text;
  // GMP would skip blanks and understand prefixes.
  const bool plain =
      *digits != '\0' && std::all_of(digits, digits + std::char_traits<char>::length(digits),
                                     [](char c) { return c >= '0' && c <= '9'; });
  if (!plain || number.set_str(text, 10) != 0)
    throw Error(ErrorKind::kData, "number", "is no decimal integer", "write it like -123");
  return number;
}

}  // namespace

primemath_status primemath_count_primes(uint64_t first, uint64_t last, uint64_t* count) {
  return guarded([&] {
    require_argument(count, "count");
    *count = n::count_primes(first, last);
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_nth_prime(uint64_t index, uint64_t* prime) {
  return guarded([&] {
    require_argument(prime, "prime");
    *prime = n::nth_prime(index);
    return PRIMEMATH_OK;
  });
}

int primemath_is_prime(uint64_t number) {
  return n::is_prime(number) ? 1 : 0;
}

uint64_t primemath_gcd(uint64_t a, uint64_t b) {
  return n::euclid_gcd(a, b);
}

primemath_status primemath_factor(uint64_t number, primemath_prime_power* factors, size_t* count) {
  return guarded([&] {
    require_argument(factors, "factors");
    require_argument(count, "count");
    const std::vector<n::PrimePower> powers = n::factorize(number);
    std::transform(powers.begin(), powers.end(), factors, [](const n::PrimePower& power) {
      return primemath_prime_power{power.prime, power.exponent};
    });
    *count = powers.size();
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_prime_iterator_create(uint64_t first,
                                                 primemath_prime_iterator** iterator) {
  return guarded([&] {
    require_argument(iterator, "iterator");
    *iterator = std::make_unique<primemath_prime_iterator>(
                    primemath_prime_iterator{n::PrimeIterator(first)})
                    .release();
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_prime_iterator_next(primemath_prime_iterator* iterator,
                                               uint64_t* prime) {
  return guarded([&] {
    require_argument(iterator, "iterator");
    require_argument(prime, "prime");
    return give(iterator->primes.next(), prime);
  });
}

primemath_status primemath_prime_iterator_previous(primemath_prime_iterator* iterator,
                                                   uint64_t* prime) {
  return guarded([&] {
    require_argument(iterator, "iterator");
    require_argument(prime, "prime");
    return give(iterator->primes.previous(), prime);
  });
}

void primemath_prime_iterator_destroy(primemath_prime_iterator* iterator) {
  delete iterator;
}

primemath_status primemath_ulam_point(uint64_t number, int64_t* x, int64_t* y) {
  return guarded([&] {
    require_argument(x, "x");
    require_argument(y, "y");
    const n::Point point = n::ulam_point(number);
    *x = point.x;
    *y = point.y;
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_ulam_number(int64_t x, int64_t y, uint64_t* number) {
  return guarded([&] {
    require_argument(number, "n");
    *number = n::ulam_number({x, y});
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_hilbert_point(int order, uint64_t index, int64_t* x, int64_t* y) {
  return guarded([&] {
    require_argument(x, "x");
    require_argument(y, "y");
    require_hilbert(order >= 0 && order <= 31 && index >> (2 * order) == 0);
    const n::Point point = n::hilbert_point(order, index);
    *x = point.x;
    *y = point.y;
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_hilbert_index(int order, int64_t x, int64_t y, uint64_t* index) {
  return guarded([&] {
    require_argument(index, "index");
    require_hilbert(order >= 0 && order <= 31 && x >= 0 && y >= 0 && x >> order == 0 &&
                    y >> order == 0);
    *index = n::hilbert_index(order, {x, y});
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_rectangle_order(int64_t width, int64_t height, int64_t* xy,
                                           size_t capacity) {
  return guarded([&] {
    const std::vector<n::Point> cells = n::rectangle_order(width, height);
    if (2 * cells.size() > capacity)
      throw Error(ErrorKind::kUsage, "xy", "has too little room",
                  "two numbers for each cell are needed");
    if (!cells.empty()) require_argument(xy, "xy");
    for (const n::Point& cell : cells) {
      *xy++ = cell.x;
      *xy++ = cell.y;
    }
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_signature_table_create(size_t bits, primemath_signature_table** table) {
  return guarded([&] {
    require_argument(table, "table");
    *table = std::make_unique<primemath_signature_table>(
                 primemath_signature_table{n::SignatureTable(bits)})
                 .release();
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_signature_table_add(primemath_signature_table* table,
                                               const uint64_t* words, size_t rows) {
  return guarded([&] {
    require_argument(table, "table");
    if (rows == 0) return PRIMEMATH_OK;
    require_argument(words, "words");
    const size_t each = table->rows.words();
    if (rows > (size_t{1} << 40) / each) throw std::bad_alloc();
    for (size_t row = 0; row < rows; ++row)
      require_clean(*table, words + row * each);
    table->rows.add_rows({words, rows * each});
    return PRIMEMATH_OK;
  });
}

int64_t primemath_signature_table_rows(const primemath_signature_table* table) {
  return table == nullptr ? 0 : table->rows.rows();
}

primemath_status primemath_signature_table_scan(const primemath_signature_table* table,
                                                const uint64_t* query, uint32_t* shared,
                                                size_t capacity) {
  return guarded([&] {
    require_argument(table, "table");
    const auto rows = static_cast<size_t>(table->rows.rows());
    if (capacity < rows)
      throw Error(ErrorKind::kUsage, "shared", "has too little room", "one number for each row");
    const n::Signature signature = signature_of(*table, query);
    if (rows != 0) {
      require_argument(shared, "shared");
      table->rows.scan(signature, {shared, rows});
    }
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_signature_table_top(const primemath_signature_table* table,
                                               const uint64_t* query, size_t count,
                                               primemath_match* matches, size_t* found) {
  return guarded([&] {
    require_argument(table, "table");
    require_argument(found, "found");
    const std::vector<n::SignatureMatch> best = table->rows.top(signature_of(*table, query), count);
    if (!best.empty()) require_argument(matches, "matches");
    std::transform(best.begin(), best.end(), matches, [](const n::SignatureMatch& match) {
      return primemath_match{match.row, match.shared};
    });
    *found = best.size();
    return PRIMEMATH_OK;
  });
}

void primemath_signature_table_destroy(primemath_signature_table* table) {
  delete table;
}

primemath_status primemath_residue_system_create(const uint64_t* moduli, size_t count,
                                                 primemath_residue_system** system) {
  return guarded([&] {
    require_argument(moduli, "moduli");
    require_argument(system, "system");
    *system = std::make_unique<primemath_residue_system>(
                  primemath_residue_system{
                      n::ResidueSystem(std::vector<uint64_t>(moduli, moduli + count))})
                  .release();
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_residue_system_residues(const primemath_residue_system* system,
                                                   const char* number, uint64_t* residues) {
  return guarded([&] {
    require_argument(system, "system");
    require_argument(residues, "residues");
    const std::vector<uint64_t> found = system->system.residues(integer_of(number));
    std::copy(found.begin(), found.end(), residues);
    return PRIMEMATH_OK;
  });
}

primemath_status primemath_residue_system_value(const primemath_residue_system* system,
                                                const uint64_t* residues, char* buffer, size_t size,
                                                size_t* needed) {
  return guarded([&] {
    require_argument(system, "system");
    require_argument(residues, "residues");
    const mpz_class value = system->system.value({residues, system->system.moduli().size()});
    return n::write_text(value.get_str(), buffer, size, needed);
  });
}

void primemath_residue_system_destroy(primemath_residue_system* system) {
  delete system;
}

primemath_status primemath_clock_coincidence(const uint64_t* clocks, size_t count, uint64_t limit,
                                             uint64_t numerator, uint64_t denominator,
                                             uint64_t* shift) {
  return guarded([&] {
    require_argument(clocks, "clocks");
    require_argument(shift, "shift");
    if (denominator == 0)
      throw Error(ErrorKind::kUsage, "denominator", "is 0", "give a tolerance from 0 to 1/2");
    mpq_class tolerance{mpz_class(numerator), mpz_class(denominator)};
    tolerance.canonicalize();
    return give(n::smallest_coincidence({clocks, count}, limit, tolerance), shift);
  });
}
