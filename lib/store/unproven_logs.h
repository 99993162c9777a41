// UnprovenLogs: a file beside a partial blob for whoever writes bytes without proof
// (BlobWriter::WriteUnproven) to note what they are, over the end of the process. What it says is
// its owner's affair; nothing of it is read here. DiskStore implements it.
//
// Thread:    a worker's strand, one call per blob at a time; blocks on the disk.
// REQUIRES:  a writer of the blob is open
#pragma once

#include <memory>

#include "base/hash.h"
#include "base/status.h"
#include "store/file_system.h"

namespace blobd::store {

class UnprovenLogs {
 public:
  virtual ~UnprovenLogs() = default;
  // With a log the bytes are kept although nothing is verified, until ForgetUnproven; both go when
  // the blob is complete or removed. kNotFound: there is none, and `create` is false.
  virtual StatusOr<std::unique_ptr<File>> OpenUnprovenLog(const Hash& hash, bool create) = 0;
  // Nobody has a use for them.
  virtual void ForgetUnproven(const Hash& hash) = 0;
};

}  // namespace blobd::store
