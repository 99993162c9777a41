// history: what the engine keeps in the registry of things that have ended, and how it comes back.
//
// Values; any thread.
#pragma once

#include <vector>

#include "engine/values.h"
#include "registry/records.h"
#include "schedule/effect.h"
#include "schedule/outcome.h"

namespace blobd::engine {

registry::TransferOutcome ToStored(schedule::Outcome outcome);
schedule::Outcome FromStored(registry::TransferOutcome outcome);

// A transfer that has ended, for the registry, and as callers see it again.
registry::TransferRow ToRow(const TransferView& view, schedule::Outcome outcome);
TransferView ToView(registry::TransferRow row);

std::vector<registry::FailureRow> ToRows(const schedule::Failures& failures);
std::vector<schedule::ProviderFailure> ToFailures(std::vector<registry::FailureRow> rows);

}  // namespace blobd::engine
