// UnprovenLogs: a file beside a partial blob for whoever writes bytes without proof
// (BlobWriter::WriteUnproven) to note what they are, over the end of the process. What it says is
// its owner's affair; nothing of it is read here. DiskStore implements it.
//
// Thread:    OpenUnprovenLog on a worker's strand, one call per blob at a time; it blocks on the
//            disk. ForgetUnproven from any thread; it never blocks.
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
  // REQUIRES: a writer of the blob is open
  virtual StatusOr<std::unique_ptr<File>> OpenUnprovenLog(const Hash& hash, bool create) = 0;
  // Nobody has a use for the bytes that lie there without proof, with a log or without: they go
  // with the last writer that is open now. A writer that is opened before that keeps them.
  virtual void ForgetUnproven(const Hash& hash) = 0;
};

}  // namespace blobd::store
