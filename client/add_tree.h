// AddTree: a directory as a collection. Every regular file below it becomes an entry, in order of
// name; what a collection cannot hold is said on standard error and left out.
//
// Thread: the caller's, which is blocked; it starts others.
// Errors: the daemon's, and the file system's. What was taken in before an error stays in the store
//         for the time of a lease.
#pragma once

#include <string>

#include "blobd/v1/blobs.pb.h"
#include "client/context.h"
#include "client/progress_line.h"

namespace blobd::client {

// The hash of the collection, and the size of all its files.
StatusOr<v1::AddResponse> AddTree(Context& context, const std::string& root, bool is_private,
                                  ProgressLine& line);

}  // namespace blobd::client
