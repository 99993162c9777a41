// The journal's MESSAGE_ID of each kind of line, for "journalctl MESSAGE_ID=…" and programs that
// follow the journal. An id never changes its meaning; blobd(8) lists them.
#pragma once

#include <string_view>

#include "engine/event_log.h"

namespace blobd::daemon {

// 32 hex digits.
std::string_view MessageIdOf(engine::LogEvent event);

}  // namespace blobd::daemon
