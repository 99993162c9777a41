#include "store/blob_store.h"

#include "store/gather.h"

namespace blobd::store {

void BlobStore::LookupMany(std::vector<Hash> hashes, Executor& answer_on,
                           UniqueFunction<void(StatusOr<std::vector<BlobInfo>>)> done) {
  if (hashes.empty()) {
    return answer_on.Post([done = std::move(done)]() mutable { done(std::vector<BlobInfo>()); });
  }
  auto gather = std::make_shared<Gather<BlobInfo>>(hashes.size(), std::move(done));
  for (size_t i = 0; i < hashes.size(); ++i) {
    Lookup(hashes[i], answer_on,
           [gather, i](StatusOr<BlobInfo> info) { gather->Put(i, std::move(info)); });
  }
}

}  // namespace blobd::store
