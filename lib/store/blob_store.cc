#include "store/blob_store.h"

#include "store/gather.h"

namespace blobd::store {

// All in one call.
void BlobStore::LookupMany(std::vector<Hash> hashes, Executor& answer_on,
                           UniqueFunction<void(std::vector<LookedUp>)> some) {
  if (hashes.empty()) {
    return answer_on.Post([some = std::move(some)]() mutable { some({}); });
  }
  auto gather = std::make_shared<Gather<LookedUp>>(
      hashes.size(), [some = std::move(some)](StatusOr<std::vector<LookedUp>> all) mutable {
        some(*std::move(all));
      });
  for (size_t i = 0; i < hashes.size(); ++i) {
    Lookup(hashes[i], answer_on, [gather, i](StatusOr<BlobInfo> info) {
      gather->Put(i, LookedUp{i, std::move(info)});
    });
  }
}

}  // namespace blobd::store
