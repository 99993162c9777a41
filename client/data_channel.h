// Exchanges on the data socket (proto/blobd/v1/data_socket.proto): blobs come and go as
// descriptors, which is cheaper than a stream of their bytes by far.
//
// Thread: any, several at once; blocks until the answer has come or the client was interrupted.
// Errors: the daemon's own codes and messages. kUnimplemented and kUnavailable: not this way, not
//         now or not for this file: send or read a stream instead. kCancelled: interrupted.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "client/daemon_client.h"
#include "client/descriptor.h"

namespace blobd::client {

// Below this a stream, which is one call, is quicker than a token and an exchange.
inline constexpr uint64_t kWorthADescriptor = 64 * 1024;

struct OpenedFile {
  Descriptor file;  // read-only, of a complete blob
  uint64_t size = 0;
};

StatusOr<OpenedFile> OpenBlob(DaemonClient& client, const std::string& hash);

// Hands in `file`, a regular file opened for reading. `progress` gets the bytes taken in so far.
StatusOr<v1::AddResponse> ImportFile(DaemonClient& client, int file, bool is_private,
                                     const std::function<void(uint64_t)>& progress);

// Whether a stream may do what a descriptor could not.
bool IsWorthAStream(const Status& status);

}  // namespace blobd::client
