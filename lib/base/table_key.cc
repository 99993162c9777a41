#include "base/table_key.h"

#include <sys/random.h>

#include "base/check.h"

namespace blobd {

void ChooseTableKey() {
  // So few bytes come whole, once the system has any.
  BLOBD_CHECK(getrandom(&table_key, sizeof table_key, 0) == sizeof table_key);
}

}  // namespace blobd
