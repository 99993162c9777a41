// limits: who must go when a limit is lowered below what runs (design/scheduling.md, "Limits").
// Const functions; planning.cc stops what they name.
#pragma once

#include <vector>

#include "schedule/tables.h"

namespace blobd::schedule {

// Every limit is at least 1.
bool IsValid(const Limits& limits);

// Running transfers over the limit of concurrent requests: lowest priority first, then youngest
// place, then youngest transfer.
std::vector<TransferId> SurplusOfRequests(const Tables& tables);
// The same among the transfers of one provider.
std::vector<TransferId> SurplusOf(const Tables& tables, const Provider& provider);
// Connections over their limit: idle ones first (longest idle), then running dials (youngest
// first), then those with the least work.
std::vector<Provider*> SurplusConnections(const Tables& tables);

}  // namespace blobd::schedule
