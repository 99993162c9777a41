// Exporting: blobs become files, collections directories. Names come from strangers: they are
// checked first, and files are opened beneath the target only, never through a symbolic link. What
// is wanted appears whole under its name, or not at all.
//
// Errors: kAlreadyExists: the target is there. kFailedPrecondition: a name that must not become a
//         file, or no collection. Else those of the daemon and of the file system.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"
#include "client/daemon_client.h"
#include "client/progress_line.h"

namespace blobd::client {

struct ExportOptions {
  std::string target;    // "-": standard output (blobs only)
  bool replace = false;  // an existing file may be replaced
};

// Called after every piece with its size.
using BytesWritten = std::function<void(uint64_t)>;

// Writes a complete blob of `size` bytes to `fd`: copied from a descriptor if there is one to be
// had and it is worth that, else read as a stream.
Status WriteBlob(DaemonClient& client, const std::string& hash, uint64_t size, int fd,
                 const BytesWritten& written);

Status ExportBlob(DaemonClient& client, const std::string& hash, const ExportOptions& options,
                  ProgressLine& progress);

// `target` must not exist, or be an empty directory.
Status ExportCollection(DaemonClient& client, const std::string& hash, const ExportOptions& options,
                        ProgressLine& progress);

}  // namespace blobd::client
