// ReadLists: reads the lists of hash sequences that the store holds, for what protects their blobs.
//
// Thread: any; reads on `strand`, one list at a time, and calls `done` there. `protection` is
//         touched on the strand only until then.
// Errors: kFailedPrecondition: nobody can say what a list protects, because it is here and cannot
// be
//         read, or does not fit its hash, or was here and rotted.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "base/task.h"
#include "engine/protection.h"
#include "store/blob_store.h"

namespace blobd::engine {

struct ListToRead {
  Protection::Holder holder = 0;
  Hash root;
  std::string name;  // of the holder, for errors
};

// A list that never was complete here protects nothing but itself. One that was complete and rotted
// is an error until it is got again, or nothing names it any more, or it is removed by force: what
// it lists is here still, perhaps.
void ReadLists(store::BlobStore& store, std::shared_ptr<Executor> strand,
               std::vector<ListToRead> lists, std::shared_ptr<Protection> protection,
               UniqueFunction<void(Status)> done);

}  // namespace blobd::engine
