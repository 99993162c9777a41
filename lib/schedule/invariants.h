// invariants: what is always true between two events (design/scheduling.md, "Always true"). Aborts
// if it is not.
#pragma once

#include "schedule/tables.h"

namespace blobd::schedule {

void CheckInvariants(const Tables& tables);

}  // namespace blobd::schedule
