// Who may learn of blobs from us: makes a blob, or a hash sequence with all its blobs that are
// here, private or no longer (design/transfers.md, "Serving").
//
// Thread: any; blocks the strand to read a root. `done` is called on the strand.
// Errors: kNotFound: nothing of it is here. kFailedPrecondition: it is no hash sequence, or its
//         root is not complete, so that its blobs are not known. After any other error some blobs
//         may have been changed; repeating is harmless.
#pragma once

#include <cstdint>
#include <memory>

#include "base/hash.h"
#include "base/status.h"
#include "base/task.h"
#include "store/blob_store.h"

namespace blobd::engine {

// Answered when it is durable, with how many blobs were not so before.
void SetPrivate(store::BlobStore& store, std::shared_ptr<Executor> strand, const Kind& kind,
                bool is_private, UniqueFunction<void(StatusOr<uint64_t>)> done);

}  // namespace blobd::engine
