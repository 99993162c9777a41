// Collections that the store holds: read as names with hashes, and made from blobs that are
// complete (protocol/formats.md, section 4).
//
// Thread: any; blocks the strand to read and write the store. `done` is called on the strand.
// Errors: kNotFound: a blob is not complete here. kInvalidArgument: a name that could not be
//         exported safely. kFailedPrecondition: the bytes are no collection.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/hash.h"
#include "base/status.h"
#include "base/task.h"
#include "store/blob_store.h"

namespace blobd::engine {

struct CollectionEntry {
  std::string name;
  Hash hash;
  uint64_t size = 0;
};

// `offset` entries are skipped and at most `limit` given; `total` says how many there are.
struct CollectionPage {
  std::vector<CollectionEntry> entries;
  uint64_t total = 0;
};

void ReadCollection(store::BlobStore& store, std::shared_ptr<Executor> strand, const Hash& hash,
                    size_t offset, size_t limit,
                    UniqueFunction<void(StatusOr<CollectionPage>)> done);

// `is_private`: the list of hashes and the names are private; the entries stay as they are.
void CreateCollection(store::BlobStore& store, std::shared_ptr<Executor> strand,
                      std::vector<CollectionEntry> entries, bool is_private,
                      UniqueFunction<void(StatusOr<Hash>)> done);

}  // namespace blobd::engine
