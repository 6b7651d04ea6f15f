// libprimemath, the whole C interface.
#ifndef PRIMEMATH_PRIMEMATH_H
#define PRIMEMATH_PRIMEMATH_H

#include "primemath/lattice.h"
#include "primemath/number.h"
#include "primemath/status.h"

#endif
