// How a `get` is left whose person, or whose time, has gone: the download goes on in the background
// under an id that is said, or it is cancelled. An intent is never left without a word.
//
// Thread: its caller's; blocks, for seconds at most, or for half a minute on a question.
#pragma once

#include <cstdint>
#include <set>
#include <string>

#include "client/context.h"

namespace blobd::client {

// What a `get` has asked for, and how it was answered.
struct Asked {
  v1::QueueItem item;
  v1::QueuedIntent intent;
  bool is_impatient;  // gives up without a provider, as nobody said otherwise
};

// Says what becomes of the intent. Returns the exit code.
int LeaveGet(Context& context, const Asked& asked, const GetOptions& options);

// From now on a second signal says that intent `id` goes on, before it ends us.
void SayIdOnSecond(Context& context, uint64_t id, const GetOptions& options);

// After a signal that came before the answer to `request`, whose item has a key: asks again, so
// that there is an id to be said.
StatusOr<v1::QueueResponse> QueueOnceMore(const Context& context, const v1::QueueRequest& request);

// Who wants the content besides `ours`, as far as the caller may see them: "; others still want it,
// ...", or empty: nobody does, or it cannot be told.
std::string OthersWhoWant(DaemonClient& daemon, const v1::Kind& kind,
                          const std::set<uint64_t>& ours);

}  // namespace blobd::client
