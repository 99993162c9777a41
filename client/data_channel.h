// Exchanges on the data socket (proto/blobd/v1/data_socket.proto): blobs come and go as
// descriptors, which is cheaper than a stream of their bytes by far.
//
// Thread: any, several at once; blocks until the answer has come or the caller was stopped.
// Errors: the daemon's own codes and messages. kUnimplemented and kUnavailable: not this way, not
//         now or not for this file: send or read a stream instead. Else what `stopped` says.
#pragma once

#include <cstdint>
#include <functional>

#include "base/status.h"
#include "blobd/v1/blobs.pb.h"
#include "client/client.h"

namespace blobd::client {

// Asked now and then while the daemon has not answered: OK to go on waiting.
using Stopped = std::function<Status()>;

// Takes the descriptor that the token in `open` is for.
StatusOr<OpenedBlob> TakeBlob(const v1::OpenResponse& open, const Stopped& stopped);

// Hands in `file`, a regular file opened for reading, with the token in `import`. `progress` may be
// empty; it gets the bytes taken in so far.
StatusOr<v1::AddResponse> HandIn(const v1::ImportResponse& import, int file,
                                 const std::function<void(uint64_t)>& progress,
                                 const Stopped& stopped);

}  // namespace blobd::client
