// A directory that is there already, in which a collection is to be written: what of it is there,
// and what is in the way. Nothing is followed that is a symbolic link, and nothing changed here.
//
// Thread: any; blocks, as what is there is read and hashed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/status.h"
#include "blobd/v1/blobs.pb.h"

namespace blobd::client {

struct MissingOptions {
  std::string shown;     // the directory, as an error names it
  bool replace = false;  // files that are there and differ are missing, too
  // Called after every piece that was read with its size. An error ends the work.
  std::function<Status(uint64_t)> on_read;
};

// The indexes of those entries that have to be written below `root`: all but those of which the
// same content is there. kAlreadyExists: a file differs, and is not to be replaced.
// kFailedPrecondition: what is in the way is no regular file, or no directory. The errors name the
// first and say how many there are.
// REQUIRES: the names passed CheckFileNames.
StatusOr<std::vector<size_t>> MissingBelow(int root,
                                           const std::vector<v1::CollectionEntry>& entries,
                                           const MissingOptions& options);

}  // namespace blobd::client
