// Exporting: blobs become files, collections directories. Names come from strangers: they are
// checked first, and files are opened beneath the target only, never through a symbolic link. What
// is wanted appears whole under its name, or not at all.
//
// A directory that is there keeps what is in it. What of a collection it has already, byte for
// byte, is left alone; a file that differs is replaced only if that is allowed, and whatever else
// is in the way never. All of that is found out before anything is written. Then everything is
// written aside, and renamed to its place: if that is broken off, what has its name is whole, and
// the same export goes on.
//
// Errors: kAlreadyExists: the target is there, or a file that differs. kFailedPrecondition: a name
//         that must not become a file, what is in the way is none, or no collection. Else those of
//         the daemon and of the file system.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/status.h"
#include "client/daemon_client.h"
#include "client/output.h"
#include "client/progress_line.h"

namespace blobd::client {

struct ExportOptions {
  std::string target;    // "-": standard output (blobs only)
  bool replace = false;  // an existing file may be replaced
};

// What an export did.
struct Exported {
  uint64_t size = 0;     // of all files
  uint64_t written = 0;  // files
  uint64_t existed = 0;  // files that were there, the same
};

// Called after every piece with its size.
using BytesWritten = std::function<void(uint64_t)>;

// Writes a complete blob of `size` bytes to `fd`: copied from a descriptor if there is one to be
// had and it is worth that, else read as a stream.
Status WriteBlob(DaemonClient& client, const std::string& hash, uint64_t size, int fd,
                 const BytesWritten& written);

StatusOr<Exported> ExportBlob(DaemonClient& client, const std::string& hash,
                              const ExportOptions& options, ProgressLine& progress);

StatusOr<Exported> ExportCollection(DaemonClient& client, const std::string& hash,
                                    const ExportOptions& options, ProgressLine& progress);

// A collection was to go to standard output.
Status NeedsDirectory();

// Says on standard error what was left alone.
void NoteExisted(const Style& style, const Exported& exported);

// Whether a collection can be written there, as far as that is to be seen before it is here.
Status CheckCollectionTarget(const std::string& target);

}  // namespace blobd::client
