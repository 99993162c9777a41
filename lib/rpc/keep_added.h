// KeepAdded: takes content in so that garbage collection cannot take it away again before it is
// leased, and answers when the lease is durable.
//
//   control loop: the add begins --> `add`, which answers with what it made --> control loop: lease
//
// Thread: any. `add` is called on the control loop and must not block; `added` may be called on any
//         thread. `done` is called on the control loop, or at once if there are too many commands.
// Errors: those of `add`; as Keeper::KeepAdded.
#pragma once

#include <vector>

#include "rpc/context.h"

namespace blobd::rpc {

using Added = UniqueFunction<void(StatusOr<std::vector<Kind>>)>;

// `pins`: blobs that must stay until then, since what is made names them.
void KeepAdded(const ServiceContext& context, const engine::Caller& caller, std::vector<Hash> pins,
               UniqueFunction<void(Added added)> add, UniqueFunction<void(Status)> done);

}  // namespace blobd::rpc
